"""A link that another plugin made, as values: what is there, and what Tandem adds inside the pod's namespace.

Tandem makes no link here and gives no address: it only delivers marked packets inside the pod (for capture), and puts
everything back as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """What transparent capture needs beside its table: packets with LOCAL_MARKS are delivered inside the pod."""

    ifname: str
    versions: tuple[int, ...]
    """Families of the pod's addresses, 4 before 6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A namespace as it was before Tandem changed it."""

    settings: tuple[tuple[str, str], ...] = ()
    """(name below /proc/sys, value), sorted."""
    lo_up: bool = True


UNTOUCHED: Final = Before()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An interface as the kernel has it."""

    addresses: frozenset[str]
    """Of both families, without those of the link alone (fe80::/10)."""
    up: bool
    before: Before
