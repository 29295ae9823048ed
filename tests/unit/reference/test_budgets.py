"""Budgets and sessions, by the objects alone."""

from __future__ import annotations

from builders import service
from meshworlds import backendtraffic, dr, httproute, limit_at, parent, trafficpolicy
from tandem.base.problems import Origin
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.budgets import kept
from tandem.reference.patience import limits
from tandem.reference.request import RouteDecision, Share

WEB = service("web", ports=[{"name": "http", "port": 80}, {"name": "admin", "port": 81}])
SHARE = Share(namespace="default", service="web", port=80)
RULE = dr("web", host="web", trafficPolicy={"retryBudget": {"percent": 30}})
STANDARD = backendtraffic("web", retryConstraint={}, sessionPersistence={"cookie": {"name": "cart"}})
OWN = trafficpolicy(limit_at("Service", "web"), retryBudget={}, sessionPersistence={"type": "Header"})


def bounded(*objects: Object, share: Share = SHARE) -> list[tuple[str, str]]:
    return [(s.text[:44], str(s.origin)) for s in limits(World.of([WEB, *objects]), share)]


def stays(*objects: Object, decision: RouteDecision) -> list[tuple[str, str]]:
    return [(s.text, str(s.origin)) for s in kept(World.of([WEB, *objects]), decision)]


def test_the_nearer_one_bounds() -> None:
    ruled = (
        "of 100 requests under way at most 30 may be ",
        "DestinationRule default/web spec.trafficPolicy.retryBudget",
    )
    standard = "XBackendTrafficPolicy default/standard spec.retryConstraint"
    assert bounded(RULE) == [ruled]
    assert bounded(RULE, STANDARD) == [("of 100 requests within 10s at most 20 may be", standard)]
    assert [at for _, at in bounded(RULE, STANDARD, OWN)] == ["TrafficPolicy default/spread spec.retryBudget"]


def test_a_port_with_settings_of_its_own_has_no_budget() -> None:
    policy = {"retryBudget": {}, "portLevelSettings": [{"port": {"number": 81}}]}
    rule = dr("web", host="web", trafficPolicy=policy)
    assert bounded(rule) != []
    assert bounded(rule, share=Share(namespace="default", service="web", port=81)) == []


def test_a_session_is_said_by_the_route_then_by_our_policy_then_by_the_standard_one() -> None:
    session = {"sessionPersistence": {"cookie": {"name": "mine"}}}
    route = httproute("hr", parentRefs=[parent("web")], rules=[session])
    at = Origin(kind="HTTPRoute", namespace="default", name="hr", path="spec.rules[0]")
    plain, routed = RouteDecision(backends=(SHARE,)), RouteDecision(rule=at, backends=(SHARE,))
    stay = "stay with the endpoint that has given it out"
    assert stays(STANDARD, decision=plain) == [
        (f"requests with the cookie cart {stay}", "XBackendTrafficPolicy default/standard spec.sessionPersistence")
    ]
    assert stays(STANDARD, OWN, decision=plain) == [
        (f"requests with the header Tandem-Session {stay}", "TrafficPolicy default/spread spec.sessionPersistence")
    ]
    (own,) = stays(STANDARD, route, decision=routed)
    assert own == (f"requests with the cookie mine {stay}", "HTTPRoute default/hr spec.rules[0].sessionPersistence")


def test_who_divides_keeps_none() -> None:
    assert stays(STANDARD, decision=RouteDecision(backends=(SHARE, SHARE))) == []
    assert stays(decision=RouteDecision(backends=(SHARE,))) == []
