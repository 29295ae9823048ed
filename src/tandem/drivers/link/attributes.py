"""Attributes of netlink objects as values; what is not there is empty, or 0."""

from __future__ import annotations

import sys

from tandem.drivers.link.rtnl import IFA_ADDRESS, IFA_LOCAL, Attrs, ip_text


def ip_of(attrs: Attrs, kind: int) -> str:
    """An address of either family."""
    return ip_text(attrs[kind]) if kind in attrs else ""


def own_address(attrs: Attrs) -> str:
    """Of an interface: IPv6 has a local address only where there is a peer."""
    return ip_of(attrs, IFA_LOCAL) or ip_of(attrs, IFA_ADDRESS)


def number_of(attrs: Attrs, kind: int) -> int:
    """A number in the machine's byte order."""
    return int.from_bytes(attrs.get(kind, b""), sys.byteorder)


def text_of(attrs: Attrs, kind: int) -> str:
    """A name, an alias."""
    return attrs.get(kind, b"").rstrip(b"\0").decode(errors="replace")
