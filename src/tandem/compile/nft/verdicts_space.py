"""Prefixes and ranges of ports without overlap: what the kernel's interval sets hold and a hash can answer. Pure.

Of prefixes one is inside another or they have nothing in common. So those of one layer never overlap, and there are as
many layers as prefixes inside one another: few, however many prefixes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import TypeVar

from tandem.compile.nft.families import Family, prefixes
from tandem.state import nft

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def difference(prefix: str, excepts: Sequence[str], family: Family) -> tuple[nft.Prefix, ...]:
    """`prefix` less `excepts`, sorted; nothing for a prefix of the other family."""
    wanted = prefixes([prefix], family)
    without = prefixes(excepts, family)
    if not wanted or not without:
        return wanted
    left = [_network(wanted[0])]
    for network in map(_network, without):
        left = [part for whole in left for part in _less(whole, network)]
    return tuple(nft.Prefix(str(n.network_address), n.prefixlen) for n in sorted(left, key=_start))


def _less(whole: Network, without: Network) -> Iterable[Network]:
    if not whole.overlaps(without):
        return (whole,)
    if without.prefixlen <= whole.prefixlen:
        return ()
    return whole.address_exclude(without)  # type: ignore[arg-type]


def _network(prefix: nft.Prefix) -> Network:
    return ipaddress.ip_network(f"{prefix.address}/{prefix.length}")


def _start(network: Network) -> tuple[int, int]:
    return int(network.network_address), network.prefixlen


def layers(found: Iterable[nft.Prefix]) -> dict[nft.Prefix, int]:
    """Of each prefix of one family its layer: 0 if no other is inside, else one more than the highest of those inside.

    A wide prefix that comes to many narrow ones takes a layer of its own and leaves theirs as they are.
    """
    result: dict[nft.Prefix, int] = {}
    around: list[tuple[nft.Prefix, int]] = []
    """The prefixes around the one in hand, widest first, with the end of each."""
    networks = sorted((*_start(_network(p)), _network(p).max_prefixlen, p) for p in set(found))
    for start, length, bits, prefix in networks:
        while around and around[-1][1] <= start:
            _close(around, result)
        result[prefix] = 0
        around.append((prefix, start + (1 << (bits - length))))
    while around:
        _close(around, result)
    return result


def _close(around: list[tuple[nft.Prefix, int]], result: dict[nft.Prefix, int]) -> None:
    inner, _ = around.pop()
    if around:
        outer = around[-1][0]
        result[outer] = max(result[outer], result[inner] + 1)


def first_of(ranges: Iterable[tuple[int, int, T]]) -> list[tuple[int, int, T]]:
    """The same numbers as sorted ranges without overlap: where several have a number, the first of them answers."""
    return [(first, last, answers[0]) for first, last, answers in _sweep(ranges, every=False)]


def all_of(ranges: Iterable[tuple[int, int, T]]) -> list[tuple[int, int, tuple[T, ...]]]:
    """Likewise with the answers of all that have a number, in the order in which they were given."""
    return _sweep(ranges, every=True)


def _sweep(ranges: Iterable[tuple[int, int, T]], *, every: bool) -> list[tuple[int, int, tuple[T, ...]]]:
    given = list(ranges)
    begins = sorted(range(len(given)), key=lambda i: given[i][0])
    edges = sorted({first for first, _, _ in given} | {last + 1 for _, last, _ in given})
    result: list[tuple[int, int, tuple[T, ...]]] = []
    active: list[int] = []
    at = 0
    for edge, following in pairwise(edges):
        while at < len(begins) and given[begins[at]][0] == edge:
            heappush(active, begins[at])
            at += 1
        if every:
            active = [i for i in active if given[i][1] >= edge]  # sorted stays a heap
        while active and given[active[0]][1] < edge:
            heappop(active)
        if active:
            answers = tuple(given[i][2] for i in sorted(active)) if every else (given[active[0]][2],)
            _append(result, edge, following - 1, answers)
    return result


def _append(result: list[tuple[int, int, tuple[T, ...]]], first: int, last: int, answers: tuple[T, ...]) -> None:
    if result and result[-1][1] == first - 1 and result[-1][2] == answers:
        result[-1] = (result[-1][0], last, answers)
    else:
        result.append((first, last, answers))
