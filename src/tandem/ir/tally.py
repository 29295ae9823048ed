"""Tally: how the requests to one version of a Service have gone, as clients' proxies saw it; sums of all nodes' add up.

Latencies are counts in buckets whose bounds grow by a twentieth each, so that a quantile is right to 5 percent however
many nodes have counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

GROWTH: Final = 1.05
FIRST_MS: Final = 0.1
"""Whatever took less lies in bucket 0."""


def bucket_of(ms: float) -> int:
    """The number of the bucket for a latency."""
    return max(0, math.ceil(math.log(ms / FIRST_MS, GROWTH))) if ms > FIRST_MS else 0


class Tally(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Numbers of requests, or connections: all, those that failed, and of requests by bucket of latency."""

    requests: int = 0
    failed: int = 0
    latencies: dict[int, int] = {}

    @property
    def success_rate(self) -> float:
        """Percent; of no requests 100. Connections may fail that were opened before the others were counted."""
        return 100.0 * max(self.requests - self.failed, 0) / self.requests if self.requests else 100.0

    def latency_ms(self, quantile: float) -> float:
        """The upper bound of the bucket in which the quantile lies; of no requests 0."""
        rank, seen = math.ceil(quantile * self.requests), 0
        for bucket in sorted(self.latencies):
            seen += self.latencies[bucket]
            if seen >= rank:
                return float(FIRST_MS * GROWTH**bucket)
        return 0.0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return self._with(other, 1)

    def since(self, before: Tally) -> Tally | None:
        """What came after `before`; None: this one is no continuation of it."""
        found = self._with(before, -1)
        return None if min(found.requests, found.failed, *found.latencies.values(), 0) < 0 else found

    def _with(self, other: Tally, sign: int) -> Tally:
        buckets = self.latencies.keys() | other.latencies.keys()
        sums = {b: self.latencies.get(b, 0) + sign * other.latencies.get(b, 0) for b in sorted(buckets)}
        return Tally(
            requests=self.requests + sign * other.requests,
            failed=self.failed + sign * other.failed,
            latencies={b: n for b, n in sums.items() if n},
        )


class Tallies(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent has counted since it began: `epoch` is another one after a restart.

    By Canary (`namespace/name`), then by version (as `ir.Split` calls it).
    """

    epoch: str
    counted: Mapping[str, Mapping[str, Tally]] = {}

    def of(self, canary: str, version: str) -> Tally:
        """The Tally of a version; nothing counted yet is a Tally too."""
        return self.counted.get(canary, {}).get(version, Tally())


class Counter:
    """Counts one agent's requests. `add` is called for each request, so it keeps to dictionaries."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._sums: dict[tuple[str, str], tuple[list[int], dict[int, int]]] = {}

    def add(self, canary: str, version: str, *, failed: bool, ms: float | None = None, again: bool = False) -> None:
        """One request has ended; without `ms`: a connection, of which no latency is known. `again`: it was counted."""
        sums, latencies = self._sums.setdefault((canary, version), ([0, 0], {}))
        sums[0] += not again
        sums[1] += failed
        if ms is not None:
            bucket = bucket_of(ms)
            latencies[bucket] = latencies.get(bucket, 0) + 1

    def tallies(self, canaries: frozenset[str]) -> Tallies:
        """Of the Canaries that there are; others are forgotten."""
        self._sums = {key: sums for key, sums in self._sums.items() if key[0] in canaries}
        counted: dict[str, dict[str, Tally]] = {canary: {} for canary in sorted(canaries)}
        for (canary, version), (sums, latencies) in sorted(self._sums.items()):
            counted[canary][version] = Tally(requests=sums[0], failed=sums[1], latencies=dict(latencies))
        return Tallies(epoch=self._epoch, counted=counted)
