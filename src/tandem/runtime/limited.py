"""How many requests each limit refused, or would have, from the flows that tell of it; a collector for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from tandem.base.problems import Origin
from tandem.observe.flow import Flow
from tandem.observe.limited import REFUSED, SILENT, WOULD


class LimitFigures:
    """One per agent."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, Origin]] = Counter()

    def take(self, flows: Iterable[Flow]) -> None:
        """Count what flows tell."""
        for flow in flows:
            if flow.reason in {REFUSED, SILENT, WOULD}:
                self._counts.update((flow.verdict.value, flow.direction, rule) for rule in flow.rules)

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        text = "Requests that a RateLimit refused, or that a staged one would have refused."
        labels = ("verdict", "direction", "namespace", "name", "rule")
        family = CounterMetricFamily("tandem_rate_limited_requests", text, labels=labels)
        for (verdict, direction, rule), number in sorted(self._counts.items()):
            family.add_metric((verdict, direction, rule.namespace, rule.name, rule.path), number)
        yield family
