"""Cases that the Gateway API's documents describe, in our own words."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import service
from meshworlds import httproute, parent
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.gatewayroutes import decide_gateway_routes
from tandem.reference.request import Request, RouteDecision

PORTS = [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]
ASK = Request(source_namespace="default", namespace="default", service="web", port=80)


def ask(*objects: Object, **changes: Any) -> RouteDecision | None:
    services = [service(n, ports=PORTS) for n in ("web", "v1", "v2")]
    return decide_gateway_routes(World.of([*services, *objects]), msgspec.structs.replace(ASK, **changes))


def rule(backend: str, *matches: dict[str, Any]) -> dict[str, Any]:
    return {"matches": list(matches), "backendRefs": [{"name": backend, "port": 80}]}


def goes_to(decision: RouteDecision | None) -> str:
    assert decision is not None
    return decision.backends[0].service if decision.backends else str(decision.status)


def test_the_longest_prefix_wins_whatever_the_order() -> None:
    rules = [rule("v1", {"path": {"value": "/"}}), rule("v2", {"path": {"value": "/deep"}})]
    source = httproute(parentRefs=[parent("web")], rules=rules)
    assert goes_to(ask(source, path="/deep/er")) == "v2"
    assert goes_to(ask(source, path="/deeper")) == "v1"


def test_a_redirect_in_the_place_of_a_backend_is_its_answer() -> None:
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "x.test", "statusCode": 301}}
    moved = {"name": "v1", "port": 80, "filters": [redirect]}
    alone = httproute(parentRefs=[parent("web")], rules=[{"backendRefs": [moved]}])
    assert goes_to(ask(alone)) == "301"
    shared = ask(httproute(parentRefs=[parent("web")], rules=[{"backendRefs": [moved, {"name": "v2", "port": 80}]}]))
    assert shared is not None
    assert [(share.service, share.status) for share in shared.backends] == [("v1", 301), ("v2", 0)]


def test_header_names_are_case_insensitive_and_the_first_entry_counts() -> None:
    headers = [{"name": "Version", "value": "2"}, {"name": "version", "value": "3"}]
    source = httproute(parentRefs=[parent("web")], rules=[rule("v2", {"headers": headers})])
    assert goes_to(ask(source, headers={"version": "2"})) == "v2"
    assert goes_to(ask(source, headers={"version": "3"})) == "404"


def test_a_consumer_s_routes_count_for_its_own_pods_alone() -> None:
    mine = httproute("c", ns="shop", parentRefs=[parent("web", namespace="default")], rules=[rule("web")])
    theirs = httproute("p", parentRefs=[parent("web")], rules=[rule("v1")])
    assert goes_to(ask(mine, theirs)) == "v1"
    assert ask(mine) is None
    decision = ask(mine, theirs, source_namespace="shop")
    assert decision is not None
    assert decision.rule == mine.origin("spec.rules[0]")


def test_a_port_that_no_route_is_about_goes_to_the_service() -> None:
    source = httproute(parentRefs=[parent("web", port=81)], rules=[rule("v1")])
    decision = ask(source)
    assert decision is not None
    assert (decision.rule, goes_to(decision)) == (None, "web")
    assert goes_to(ask(source, port=81)) == "v1"


def test_no_backend_and_missing_backends_answer_500() -> None:
    source = httproute(parentRefs=[parent("web")], rules=[{"backendRefs": []}])
    assert goes_to(ask(source)) == "500"
    decision = ask(httproute(parentRefs=[parent("web")], rules=[rule("gone")]))
    assert goes_to(decision) == "500"
    assert decision is not None
    assert decision.steps[-1].origin is not None
    assert decision.steps[-1].origin.path == "spec.rules[0].backendRefs[0]"


def test_a_refused_route_decides_nothing() -> None:
    bad = {**rule("v1"), "filters": [{"type": "ExtensionRef"}]}
    assert ask(httproute(parentRefs=[parent("web")], rules=[bad])) is None
