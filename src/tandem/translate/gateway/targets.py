"""Ports of gateways -> the port of the node's own address behind each. Pure.

Many gateways have port 80, each at addresses of its own; the node has one address for all. A port is a digest of whom
it is for, so that it stays; where two have the same, the older gateway keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from tandem.base.digest import digest
from tandem.model.gateways import Gateway
from tandem.model.world import Key

FIRST: Final = 20_000
COUNT: Final = 10_000
"""Below node ports (30000-32767), and below those from which Linux takes ports of clients (32768)."""


def targets_of(gateways: Iterable[tuple[Gateway, Iterable[int]]]) -> dict[tuple[Key, int], int]:
    """By gateway and port, for the ports that each gateway has."""
    found: dict[tuple[Key, int], int] = {}
    taken: set[int] = set()
    for gateway, ports in sorted(gateways, key=lambda one: (one[0].metadata.creation_timestamp or "", one[0].key)):
        for port in sorted({*ports}):
            number = target_of(gateway.key, port, taken)
            taken.add(number)
            found[gateway.key, port] = number
    return found


def target_of(gateway: Key, port: int, taken: Collection[int]) -> int:
    """The port for a port of one gateway, where these are taken."""
    wanted = int(digest(f"{gateway[0]}/{gateway[1]}/{port}", 8), 16) % COUNT
    return next(n for i in range(COUNT) if (n := FIRST + (wanted + i) % COUNT) not in taken)
