"""The order of HTTP filters is data."""

from __future__ import annotations

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.filters import ON_DEMAND, http_filters, inbound_filters, per_route
from tandem.compile.envoy.filters.router import router
from tandem.ir.authn import GivenKeys, JwtRule
from tandem.ir.mesh import Fault, Respond, Route

AT = Origin(kind="VirtualService", name="web")


def test_the_router_is_last_and_everything_else_sleeps() -> None:
    *others, last = http_filters()
    assert last == router()
    assert [f["name"] for f in others] == [module.NAME for module in ON_DEMAND]
    assert all(f["disabled"] for f in others)


def test_what_comes_in_meets_policies_that_sleep_and_the_router() -> None:
    *others, last = inbound_filters(attached("a", "10.0.0.1").pod)
    assert last == router()
    assert [f["name"] for f in others] == ["spellings", "rbac-deny", "rbac-allow"]
    assert all(f["disabled"] for f in others)


def test_tokens_are_looked_at_before_policies_and_after_pretended_headers_are_gone() -> None:
    rule = JwtRule(issuer="i", keys=GivenKeys(""), origin=AT)
    names = [f["name"] for f in inbound_filters(attached("a", "10.0.0.1", authentication=(rule,)).pod)]
    assert names[:3] == ["spellings", "tokens/uid-a", "rbac-deny"]


def test_a_route_wakes_what_it_asks_for() -> None:
    plain = Route(name="r", matches=(), action=Respond(status=200), origin=AT)
    slow = Route(name="r", matches=(), action=Respond(status=200), origin=AT, fault=Fault(delay_ms=1))
    assert per_route(plain) == {}
    assert list(per_route(slow)) == ["envoy.filters.http.fault"]
