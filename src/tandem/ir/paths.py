"""How the path of a request is made plain before anything is decided by it."""

from __future__ import annotations

from enum import StrEnum


class Paths(StrEnum):
    """What is done with it."""

    KEEP = "keep"
    """Nothing."""
    BASE = "base"
    r"""Dot segments are resolved and unreserved characters decoded (RFC 3986, 6.2.2); `\` is `/`."""
    MERGE = "merge"
    """BASE, and slashes beside each other become one."""
    DECODE = "decode"
    """MERGE, and `%2F` and `%5C` are slashes."""
    EDGE = "edge"
    """BASE, and who writes `%2F` or `%5C` is redirected to the path with slashes."""
