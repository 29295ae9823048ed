"""What an agent counts and measures, for Prometheus and for `tandem status`: names, labels and units of every figure.

In: what happens in the agent; when somebody asks, what the kernel has counted. Out: text, and a summary. Each agent has
a registry of its own. docs/tasks/metrics.md lists the figures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tandem.base.problems import DriverError
from tandem.compile.nft.origins import Count
from tandem.drivers.nft.port import NftDriver
from tandem.observe.counts import RuleCount
from tandem.state import nft

WAITS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0)
"""Upper bounds in seconds: a pod's wait is milliseconds, its bound seconds."""


class Metrics:
    """One per agent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._waits = Histogram(
            "tandem_cni_add_wait_seconds",
            "Time that an ADD waited for what its pod needs before its first process.",
            ("what",),
            buckets=WAITS,
            registry=self.registry,
        )
        self._bounds = Counter(
            "tandem_cni_add_bound_hits",
            "ADDs that went on, or failed, because the time for such a wait was over.",
            ("what",),
            registry=self.registry,
        )
        self._kernel = Histogram(
            "tandem_view_to_kernel_seconds",
            "Time from the agent's knowledge of a change to the kernel's having it.",
            buckets=WAITS,
            registry=self.registry,
        )
        self._due: deque[tuple[int, float]] = deque()
        self._totals: dict[str, float] = {"adds": 0, "addWaitSeconds": 0.0, "addBoundHits": 0}

    def waited(self, what: str, seconds: float, *, in_time: bool = True) -> None:
        """An ADD has waited so long for `what` (policy, peers, proxy)."""
        self._waits.labels(what).observe(seconds)
        self._totals["addWaitSeconds"] = round(self._totals["addWaitSeconds"] + seconds, 6)
        self._bounds.labels(what).inc(0 if in_time else 1)
        self._totals["addBoundHits"] += not in_time

    def added(self) -> None:
        """A pod is on the network."""
        self._totals["adds"] += 1

    def due(self, number: int, now: float) -> None:
        """The view of this number will have what the agent has just come to know."""
        self._due.append((number, now))

    def in_force(self, number: int, now: float) -> None:
        """The kernel has what was due up to this number."""
        while self._due and self._due[0][0] <= number:
            self._kernel.observe(now - self._due.popleft()[1])

    def totals(self) -> dict[str, float]:
        """For `tandem status`."""
        return dict(self._totals)

    def render(self) -> bytes:
        """Everything in Prometheus' text format; asks the kernel."""
        return generate_latest(self.registry)


class KernelFigures:
    """A collector: what the table counts, how large it is, and how often others changed it."""

    def __init__(
        self,
        table: NftDriver,
        counts: Callable[[], Mapping[str, Count]],
        drift: Callable[[], Mapping[str, Any]],
        ended: Callable[[], int],
    ) -> None:
        self._ended = ended
        self._table = table
        self._counts = counts
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        yield self._connections()
        yield from _sizes(self._table.read())
        text = "Established connections that a change of policy ended."
        yield CounterMetricFamily("tandem_policy_connections_ended", text, value=self._ended())
        for word in ("found", "repaired"):
            text = f"Changes by others to tables of the node, and to tables and links of its pods, that were {word}."
            yield CounterMetricFamily(f"tandem_drift_{word}", text, value=self._drift()[word])

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask the kernel to know the names."""
        return iter(())

    def _connections(self) -> Metric:
        labels = ("verdict", "direction", "kind", "namespace", "name", "rule")
        text = "New connections by the rule that allowed them; first packets denied, or that would be by a staged rule."
        family = CounterMetricFamily("tandem_policy_connections", text, labels=labels)
        for count, number in self.counted():
            for origin in count.origins:
                where = (origin.kind, origin.namespace, origin.name, origin.path)
                family.add_metric((count.what.value, count.side.value, *where), number)
        return family

    def counted(self) -> tuple[tuple[Count, int], ...]:
        """What the kernel has counted, by rule; nothing before the first table."""
        try:
            numbers = self._table.counted()
        except DriverError:
            return ()
        return tuple((count, numbers[name]) for name, count in sorted(self._counts().items()) if name in numbers)

    def rules(self) -> tuple[RuleCount, ...]:
        """The same as values for control, of rules that have decided anything."""
        return tuple(
            RuleCount(rule=origin, verdict=count.what.value, direction=count.side.value, count=number)
            for count, number in self.counted()
            if number
            for origin in count.origins
        )


def _sizes(table: nft.Ruleset | None) -> Iterator[Metric]:
    family = GaugeMetricFamily("tandem_table_objects", "Parts of the node's table, by what they are.", labels=("kind",))
    if table is not None:
        sizes = {
            "chain": len(table.chains),
            "rule": sum(len(c.rules) for c in table.chains),
            "set": len(table.sets),
            "map": len(table.maps),
            "element": sum(len(s.elements) for s in table.sets) + sum(len(m.elements) for m in table.maps),
            "counter": len(table.counters),
        }
        for kind, number in sizes.items():
            family.add_metric((kind,), number)
    yield family
