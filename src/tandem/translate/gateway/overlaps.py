"""Listeners of a port with TLS of which one is for hosts of another: what each is told. Pure.

They can be told apart, by the name in TLS. But a client that has a connection to one may use it for a host of the other
(Gateway API docs, ListenerConditionOverlappingTLSConfig).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tandem.translate.gateway.clashes import BY_NAME
from tandem.translate.gateway.listeners import Place, Read
from tandem.translate.hostnames import common

OVERLAPPING: Final = ("OverlappingTLSConfig", "OverlappingHostnames")
"""Type and reason of the condition, which is there only where it holds."""


def overlaps_of(reads: Sequence[Read]) -> dict[Place, str]:
    """Of the accepted listeners of a Gateway and its sets those that overlap, with the text of their condition."""
    known = [read for read in reads if read.accepted and read.listener.protocol in BY_NAME]
    found: dict[Place, str] = {}
    for read in known:
        others = [other for other in known if other is not read and _meets(read, other)]
        if others:
            own = [other.listener.name for other in others if other.holder is read.holder]
            whose = (
                f"listener {', '.join(own)} of the same port" if own else "a listener of another object at that port"
            )
            found[read.place] = f"hosts of it are also hosts of {whose}: a client may use one connection for both"
    return found


def _meets(one: Read, other: Read) -> bool:
    return one.listener.port == other.listener.port and common(one.hostname, other.hostname) is not None
