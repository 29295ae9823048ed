"""The node's table of tracked connections: large enough, and told before it is full for everybody.

In: the kernel's figures. Out: its size raised to what kube-proxy would set, figures for Prometheus, and sentences with
the pod that has most. A full table loses the first packets of whoever comes next (docs/design/0077).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tandem.base.problems import DriverError
from tandem.observe.conntrack import sample
from tandem.runtime import sysctls

log = structlog.get_logger()

LOOK_SECONDS: Final = 10.0
WHO_SECONDS: Final = 60.0
"""Between two looks at whose connections they are."""
NEARLY_FULL: Final = 0.9
SAMPLE: Final = 20_000
"""Connections that are looked at for that: the kernel tells them in no order that matters."""
_SETTINGS: Final = Path("/proc/sys/net/netfilter")
_PER_PROCESSOR: Final = Path("/proc/thread-self/net/stat/nf_conntrack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What the kernel says of the table in this network namespace; a limit of 0: nothing is tracked."""

    entries: int = 0
    limit: int = 0
    dropped: int = 0
    """Packets for which there was no room, since the machine started."""


def fill(settings: Path = _SETTINGS, counters: Path = _PER_PROCESSOR) -> Fill:
    """As of now."""
    try:
        entries, limit = (int((settings / f"nf_conntrack_{name}").read_text()) for name in ("count", "max"))
    except OSError:
        return Fill()
    try:
        names, *rows = (line.split() for line in counters.read_text().splitlines())
        at = names.index("drop")
    except (OSError, ValueError):  # a kernel that does not tell
        return Fill(entries=entries, limit=limit)
    # Counters of 32 bits each, in hexadecimal.
    return Fill(entries=entries, limit=limit, dropped=sum(int(row[at], 16) for row in rows))


class ConnectionTable:
    """One per agent. `grow` keeps a setting for `tandem down` and makes it so; `pods`: names by address."""

    def __init__(
        self,
        grow: Callable[[Mapping[str, str]], Awaitable[None]],
        pods: Callable[[], Mapping[str, str]],
        read: Callable[[], Fill] = fill,
    ) -> None:
        self._grow = grow
        self._pods = pods
        self._read = read
        self._grown = False
        self._asked = float("-inf")
        self._most = ""
        self._lost = 0
        self._now = Fill()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        self._now = self._read()
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        before, self._now = self._now, self._read()
        if self._now.limit and not self._grown:
            self._grown = True  # once: what an administrator sets later is meant
            await self._enlarge()
        self._lost = max(self._now.dropped - before.dropped, 0)
        if not self._crowded:
            self._most = ""
            return
        now = asyncio.get_running_loop().time()
        if now - self._asked >= WHO_SECONDS:
            self._asked = now
            self._most = await asyncio.to_thread(self._who)
            log.warning("table of connections", entries=self._now.entries, limit=self._now.limit, most=self._most)

    async def _enlarge(self) -> None:
        try:
            if wanted := sysctls.wanted_for_connections(os.cpu_count() or 1):
                await self._grow(wanted)
                log.info("table of connections enlarged", settings=wanted)
        except DriverError as err:
            # In a network namespace of its own, the machine's size holds.
            log.info("table of connections stays as it is", limit=self._now.limit, why=str(err))

    @property
    def _crowded(self) -> bool:
        return self._now.limit > 0 and (self._lost > 0 or self._now.entries >= NEARLY_FULL * self._now.limit)

    def _who(self) -> str:
        """The pod of most connections, by its own or as where they lead; in a thread."""
        try:
            found = sample(SAMPLE)
        except DriverError as err:
            return f"whose they are is not known: {err}"
        names = self._pods()
        pods = Counter(names.get(one.source) or names.get(one.destination, "") for one in found)
        name, number = max(pods.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        return f"{'pod ' + name if name else 'no pod of this node'} has {100 * number // max(len(found), 1)} % of them"

    def problems(self) -> tuple[str, ...]:
        """That it is full, or nearly; one sentence."""
        if not self._crowded:
            return ()
        now = self._now
        lost = f"; {self._lost} packets found no room in the last {LOOK_SECONDS:.0f} s" if self._lost else ""
        size = f"{now.entries} of {now.limit} tracked connections (net.netfilter.nf_conntrack_max)"
        return (f"the table of connections is nearly full, then no new ones are possible: {size}{lost}; {self._most}",)

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        now = self._read()
        yield GaugeMetricFamily("tandem_tracked_connections", "Connections that the node tracks.", value=now.entries)
        yield GaugeMetricFamily("tandem_tracked_connections_limit", "How many there is room for.", value=now.limit)
        text = "Packets lost because there was no room to track their connection."
        yield CounterMetricFamily("tandem_tracked_connections_dropped", text, value=now.dropped)

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask the kernel to know the names."""
        return iter(())
