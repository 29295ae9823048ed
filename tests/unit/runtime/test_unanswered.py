"""Who gave no answer is told of for a while."""

from __future__ import annotations

import msgspec

from tandem.base.clock import FixedClock
from tandem.base.problems import Origin
from tandem.observe.accesslog import UNANSWERED
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.observe.limited import SILENT
from tandem.runtime.unanswered import TOLD_SECONDS, Unanswered

RULE = Origin(kind="AuthorizationPolicy", namespace="shop", name="ask", path="spec.rules[0]")
FLOW = Flow(
    time=0.0,
    node="n",
    verdict=Verdict.DENIED,
    layer=Layer.L7,
    protocol="HTTP",
    source=Party(),
    destination=Party(),
    reporter="destination",
    reason=UNANSWERED,
    rules=(RULE,),
)


def test_a_policy_is_told_of_until_it_is_quiet() -> None:
    clock = FixedClock()
    told = Unanswered(clock)
    told.take([msgspec.structs.replace(FLOW, reason="something else")])
    assert told.unmet() == []
    told.take([FLOW, FLOW])
    (entry,) = told.unmet()
    assert (entry["kind"], entry["namespace"], entry["name"]) == ("AuthorizationPolicy", "shop", "ask")
    clock.advance(TOLD_SECONDS)
    assert told.unmet() == []


def test_a_limit_whose_counter_is_silent_is_told_of_in_words_of_its_own() -> None:
    told = Unanswered(FixedClock())
    limit = Origin(kind="RateLimit", namespace="shop", name="few", path="spec.limits[0]")
    told.take([FLOW, msgspec.structs.replace(FLOW, reason=SILENT, rules=(limit,))])
    words = {entry["kind"]: entry["message"].partition(" gave")[0] for entry in told.unmet()}
    assert words == {"AuthorizationPolicy": "its external authorizer", "RateLimit": "its counter"}
