"""The order of HTTP filters is data."""

from __future__ import annotations

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.filters import ON_DEMAND, http_filters, inbound_filters, limits, per_route
from tandem.compile.envoy.filters.router import router
from tandem.ir.authz import Action, AuthzPolicy, AuthzRule
from tandem.ir.mesh import Fault, Respond, Route

AT = Origin(kind="VirtualService", name="web")
JUDGES = AuthzPolicy(action=Action.DENY, rules=(AuthzRule(origin=AT),), origin=AT)


def test_the_router_is_last_and_everything_else_sleeps() -> None:
    *others, last = http_filters()
    assert last == router()
    first, second, *more = (module.NAME for module in ON_DEMAND)
    judging = ["spellings", "rbac-audit", "rbac-deny", "rbac-allow"]
    assert [f["name"] for f in others] == [*judging, first, second, limits.NAME, *more]
    assert all(f["disabled"] for f in others)


def test_what_comes_in_meets_policies_and_the_router_in_this_order() -> None:
    """Every pod has every filter: a policy counts on connections that were open before it."""
    made = inbound_filters(attached("a", "10.0.0.1").pod)
    assert [f["name"] for f in made[:-1]] == [
        "spellings",
        "tokens/uid-a",
        "rbac-audit",
        "rbac-custom",
        "ask/uid-a",
        "rbac-deny",
        "rbac-allow",
        "limits",
    ]
    assert made[-1] == router()
    assert all(f.get("disabled") or "config_discovery" in f for f in made[:-1])


def test_a_route_wakes_what_it_asks_for() -> None:
    plain = Route(name="r", matches=(), action=Respond(status=200), origin=AT)
    slow = Route(name="r", matches=(), action=Respond(status=200), origin=AT, fault=Fault(delay_ms=1))
    assert per_route(plain) == {}
    judged = Route(name="r", matches=(), action=Respond(status=200), origin=AT, authorization=(JUDGES,))
    assert list(per_route(judged)) == ["rbac-deny"]
    assert list(per_route(slow)) == ["envoy.filters.http.fault"]
