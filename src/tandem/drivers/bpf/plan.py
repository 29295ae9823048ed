"""Held and wanted -> what to change. Pure."""

from __future__ import annotations

from collections.abc import Collection

from tandem.drivers.bpf.port import Delta, Held
from tandem.state.fastpath import FastEnd


def plan(held: Held, wanted: Collection[FastEnd]) -> Delta:
    """False where nothing is to be changed."""
    ends, links = frozenset(wanted), frozenset(end.host_ifname for end in wanted)
    return Delta(
        put=tuple(sorted(ends - held.ends)),
        drop=tuple(sorted(held.ends - ends)),
        attach=tuple(sorted(links - held.links)),
        detach=tuple(sorted((held.links | held.earlier) - links)),
    )
