"""Listeners of a port with TLS of which one is for hosts of another: what each is told. Pure.

They can be told apart, by the name in TLS. But a client that has a connection to one may use it for a host of the other
(Gateway API docs, ListenerConditionOverlappingTLSConfig).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tandem.translate.gateway.clashes import BY_NAME
from tandem.translate.gateway.listeners import Place, Read
from tandem.translate.hostnames import covering

OVERLAPPING: Final = ("OverlappingTLSConfig", "OverlappingHostnames")
"""Type and reason of the condition, which is there only where it holds."""


def overlaps_of(reads: Sequence[Read]) -> dict[Place, str]:
    """Of the accepted listeners of a Gateway and its sets those that overlap, with the text of their condition."""
    known = [read for read in reads if read.accepted and read.listener.protocol in BY_NAME]
    found: dict[Place, str] = {}
    for read, others in zip(known, _others(known), strict=True):
        if others:
            own = [known[i].listener.name for i in sorted(others) if known[i].holder is read.holder]
            whose = (
                f"listener {', '.join(own)} of the same port" if own else "a listener of another object at that port"
            )
            found[read.place] = f"hosts of it are also hosts of {whose}: a client may use one connection for both"
    return found


def _others(known: Sequence[Read]) -> list[set[int]]:
    """For each listener those at its port that have hosts in common with it."""
    by_name: dict[tuple[int, str], list[int]] = {}
    for i, read in enumerate(known):
        by_name.setdefault((read.listener.port, read.hostname), []).append(i)
    found: list[set[int]] = [set() for _ in known]
    for i, read in enumerate(known):
        for name in covering(read.hostname):
            for other in by_name.get((read.listener.port, name), ()):
                if other != i:
                    found[i].add(other)
                    found[other].add(i)
    return found
