"""Whatever is measured, said and waited for, in whatever order: a rollout keeps its promises."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from builders import service
from gatewayworlds import gateway, route, world
from meshworlds import canary, to, vs
from tandem.base.clock import parse_rfc3339
from tandem.cluster.canary.judge import Judgement, Outcome, judge
from tandem.cluster.canary.rollout import Known, advance
from tandem.cluster.canary.window import Counted, Heard, Window, counted
from tandem.ir.gateway import routes_of
from tandem.ir.mesh import Forward, Route
from tandem.ir.tally import Tallies, Tally
from tandem.model.canary import COMMAND, COMMANDS, ENDED, Analysis, Canary, CanaryStatus
from tandem.model.meta import Object
from tandem.translate.options import Options
from tandem.translate.world import translate_world

NOW = 1_700_000_000.0
judgements = st.one_of(
    st.none(), st.builds(Judgement, outcome=st.sampled_from(Outcome), reason=st.just("R"), message=st.just("m"))
)
knowns = st.builds(
    Known,
    ready=st.booleans(),
    obstacle=st.sampled_from((None, None, None, ("NotInForce", "n1"))),
    judgement=judgements,
)
looks = st.tuples(
    knowns, st.sampled_from((0.0, 1.0, 30.0, 90.0, 700.0)), st.sampled_from(("", "", "", *COMMANDS, "no"))
)


def _growing(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda step: int(step["weight"]))


steps = st.lists(
    st.fixed_dictionaries(
        {"weight": st.integers(1, 99)}, optional={"manual": st.booleans(), "pause": st.sampled_from(("30s", "1m"))}
    ),
    min_size=1,
    max_size=4,
).map(_growing)


def _with(found: Canary, status: CanaryStatus, command: str) -> Canary:
    meta = msgspec.structs.replace(found.metadata, annotations={COMMAND: command} if command else {})
    return msgspec.structs.replace(found, metadata=meta, status=status)


@settings(max_examples=300)
@given(steps, st.integers(0, 2), st.lists(looks, max_size=30))
def test_weights_go_up_for_what_is_known_to_be_good_and_down_for_what_is_not(
    given_steps: list[dict[str, Any]], allowed: int, story: list[tuple[Known, float, str]]
) -> None:
    """Each status goes through JSON, as it does in the API: there is no other memory."""
    found = canary(steps=given_steps, analysis={"failures": allowed})
    weights = [step["weight"] for step in given_steps]
    bad, now = 0, NOW
    for known, seconds, command in story:
        now += seconds
        before = found.status
        found = _with(found, before, command)
        elapsed = now - parse_rfc3339(before.step_started) if before.step_started else 0.0
        after = advance(found, msgspec.structs.replace(known, elapsed=elapsed), now)
        fresh = before.revision != found.revision or (command == "restart" and before.command != command)
        by_hand = bool(command) and before.command != command
        judged = known.judgement if not by_hand and not fresh and before.phase not in ENDED else None
        if judged is not None:
            bad += judged.outcome is Outcome.BAD
        assert after.weight in {0, 100, *weights}
        assert (after.weight == 100) == (after.phase == "Promoted")
        assert after.phase != "RolledBack" or after.weight == 0
        if after.weight > before.weight:
            first = before.weight == 0 and after.weight == weights[0] and known.ready
            good = judged is not None and judged.outcome is Outcome.GOOD
            assert (by_hand and command == "promote") or (known.obstacle is None and (good or first))
        if judged is not None and bad > allowed:
            assert (after.phase, after.weight) == ("RolledBack", 0)
        if after.phase == "Promoted" and before.phase != "Promoted" and not by_hand:
            assert before.step == len(weights) - 1
        if fresh:
            bad = 0
        found = _with(found, msgspec.json.decode(msgspec.json.encode(after), type=CanaryStatus), "")
        assert advance(_with(found, found.status, found.status.command), Known(ready=False), now).weight <= after.weight


tallies = st.builds(
    lambda fine, failed, bucket: Tally(requests=fine + failed, failed=failed, latencies={bucket: fine + failed}),
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(0, 200),
).map(lambda t: t if t.requests else Tally())
NAMES = ("shop/web", "shop/v1", "shop/v2")


@given(st.lists(st.tuples(tallies, tallies, st.booleans()), min_size=1, max_size=4), st.booleans())
def test_good_is_only_what_every_node_has_told_and_bad_is_never_hidden_by_silence(
    nodes: list[tuple[Tally, Tally, bool]],
    compared: bool,  # noqa: FBT001 - drawn
) -> None:
    analysis = msgspec.convert(
        {"minRequests": 10, "successRate": {"min": 90, **({"maxDrop": 5} if compared else {})}}, Analysis
    )
    window = Window(since=0.0, first={str(i): Tallies(epoch="e") for i in range(len(nodes))})
    heard = {}
    for i, (stable, new, in_time) in enumerate(nodes):
        told = Tallies(epoch="e", counted={NAMES[0]: {NAMES[1]: stable, NAMES[2]: new}})
        heard[str(i)] = Heard(tallies=told, at=11.0 if in_time else 5.0)
    known = counted(window, heard, heard.keys(), until=10.0, names=NAMES)
    found = judge(analysis, known)
    assert known.canary.requests == sum(new.requests for _, new, _ in nodes)
    if found.outcome is Outcome.GOOD:
        assert all(in_time for _, _, in_time in nodes)
        assert known.canary.requests >= 10
        assert known.canary.success_rate >= 90
    if known.canary.requests >= 10 and known.canary.success_rate < 90:
        assert found.outcome is Outcome.BAD
    silent = judge(analysis, Counted(stable=known.stable, canary=known.canary, missing=("x",)))
    assert silent.outcome is not Outcome.GOOD
    assert (silent.outcome is Outcome.BAD) == (found.outcome is Outcome.BAD)


SHARES = st.lists(
    st.tuples(st.sampled_from(("web", "api", "web-v1")), st.integers(0, 7)), min_size=1, max_size=4
).filter(lambda shares: any(part for _, part in shares))
SERVICES = [
    service(name, ip=f"10.96.0.{i}", ports=[{"name": "http", "port": 80}])
    for i, name in enumerate(("web-v1", "web-v2", "api"), 1)
]


def _in_the_mesh(shares: list[tuple[str, int]], *objects: Object) -> list[Route]:
    """What pods that dial Service web are sent to."""
    routes = vs(hosts=["web"], http=[{"route": [to(name, weight=part) for name, part in shares]}])
    ir = translate_world(world(*SERVICES, routes, *objects), Options()).mesh
    return [r for r in ir.tables["default/web"].routes if not r.name.endswith("unmatched")]


def _at_a_gateway(shares: list[tuple[str, int]], *objects: Object) -> list[Route]:
    """What requests from outside are sent to."""
    refs = [{"name": name, "port": 80, "weight": part} for name, part in shares]
    found = translate_world(world(*SERVICES, gateway(), route(rules=[{"backendRefs": refs}]), *objects), Options())
    return list(routes_of(found.edge.gateways["default/edge"]))


def _parts(routes: list[Route]) -> dict[str, Fraction]:
    (one,) = routes
    if not isinstance(one.action, Forward):
        return {}
    total = sum(b.weight for b in one.action.backends)
    assert total < 2**32  # as Envoy wants it
    found: dict[str, Fraction] = {}
    for b in one.action.backends:
        found[b.service] = found.get(b.service, Fraction(0)) + (Fraction(b.weight, total) if total else 0)
    return found


@pytest.mark.parametrize("sent", [_in_the_mesh, _at_a_gateway])
@settings(max_examples=100)
@given(SHARES, st.integers(0, 100))
def test_what_is_divided_sums_up_to_what_it_was(
    sent: Callable[..., list[Route]], shares: list[tuple[str, int]], weight: int
) -> None:
    before, after = _parts(sent(shares)), _parts(sent(shares, canary(status={"weight": weight})))
    whole = before.pop("web", Fraction(0))
    expected = {**before, "web-v2": whole * weight / 100}
    expected["web-v1"] = expected.get("web-v1", Fraction(0)) + whole * (100 - weight) / 100
    assert {k: v for k, v in after.items() if v} == {k: v for k, v in expected.items() if v}
