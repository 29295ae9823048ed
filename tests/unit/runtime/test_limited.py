"""What limits refused is counted by limit."""

from __future__ import annotations

import msgspec
from prometheus_client import CollectorRegistry, generate_latest

from tandem.base.problems import Origin
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.observe.limited import REFUSED, WOULD
from tandem.runtime.limited import LimitFigures

RULE = Origin(kind="RateLimit", namespace="shop", name="few", path="spec.limits[0]")
FLOW = Flow(
    time=0.0,
    node="n",
    verdict=Verdict.DENIED,
    layer=Layer.L7,
    protocol="HTTP",
    source=Party(),
    destination=Party(),
    reporter="destination",
    direction="ingress",
    reason=REFUSED,
    rules=(RULE,),
)


def test_each_limit_has_its_number_for_what_it_refused_and_for_what_it_would_have() -> None:
    figures = LimitFigures()
    staged = msgspec.structs.replace(FLOW, verdict=Verdict.STAGED, reason=WOULD)
    other = msgspec.structs.replace(FLOW, reason="a rule of an AuthorizationPolicy denies it")
    figures.take([FLOW, staged, FLOW, other])
    registry = CollectorRegistry()
    registry.register(figures)
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    where = 'direction="ingress",name="few",namespace="shop",rule="spec.limits[0]"'
    assert lines == [
        f'tandem_rate_limited_requests_total{{{where},verdict="{verdict}"}} {number}'
        for verdict, number in (("denied", 2.0), ("staged", 1.0))
    ]
