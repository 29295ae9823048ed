"""Where a connection goes by the routes of connections, as the documents say."""

from __future__ import annotations

import pytest

from builders import service
from gatewayworlds import Raw, tcproute, tlsroute
from meshworlds import httproute, parent
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision
from tandem.reference.routes import decide

PORTS = [{"name": "http", "port": 80}, {"name": "tls", "port": 443}, {"name": "tcp", "port": 9000}]
RULES: list[Raw] = [{"backendRefs": [{"name": "web", "port": 9000, "weight": 2}, {"name": "gone", "port": 1}]}]


def judged(*routes: Object, port: int = 443, name: str = "", home: str = "default") -> RouteDecision:
    world = World.of([service("web", ports=PORTS), *routes])
    asked = Request(source_namespace=home, namespace="default", service="web", port=port, server_name=name)
    return decide(world, asked)


def rule(decision: RouteDecision) -> str:
    return decision.rule.name if decision.rule is not None else ""


def tls(*hosts: str, name: str = "sr", ns: str = "default", created: str = "") -> Object:
    above = (parent("web", namespace="default"),)
    return tlsroute(*hosts, name=name, parents=above, ns=ns, created=created, rules=RULES)


@pytest.mark.parametrize(
    ("asked", "has"),
    [("a.test", "exact"), ("b.test", "wide"), ("x.b.test", "wide"), ("test", ""), ("a.org", ""), ("", "")],
)
def test_the_most_specific_name_has_the_connection_and_others_go_to_the_service(asked: str, has: str) -> None:
    found = judged(tls("*.test", name="wide"), tls("a.test", name="exact"), name=asked)
    assert rule(found) == has
    assert [(b.service, b.port) for b in found.backends][:1] == [("web", 9000 if has else 443)]


def test_of_equal_names_the_older_route_has_it() -> None:
    older, newer = tls("a.test", name="z", created="2026-01-01T00:00:00Z"), tls("a.test", name="a", created="2026-02")
    assert rule(judged(newer, older, name="a.test")) == "z"


def test_a_share_without_a_backend_is_closed() -> None:
    found = judged(tcproute("tr", parent("web"), rules=RULES))
    assert [(b.service, b.weight, bool(b.status)) for b in found.backends] == [("web", 2, False), ("gone", 1, True)]


def test_kinds_go_before_each_other_at_a_port() -> None:
    http = httproute("hr", parentRefs=[parent("web")], rules=[{"backendRefs": [{"name": "web", "port": 80}]}])
    routes = (http, tls("a.test"), tcproute("tr", parent("web"), rules=RULES))
    assert rule(judged(*routes, port=80, name="a.test")) == "hr"
    assert rule(judged(*routes, port=9000, name="a.test")) == "sr"
    assert rule(judged(*routes, port=9000, name="b.test")) == ""
    assert rule(judged(*routes[::2], port=9000, name="a.test")) == "tr"


def test_a_consumer_s_own_route_leaves_nothing_to_the_producer_s() -> None:
    mine, theirs = tls("a.test", name="mine", ns="shop"), tcproute("theirs", parent("web"), rules=RULES)
    assert rule(judged(mine, theirs, name="a.test", home="shop")) == "mine"
    assert rule(judged(mine, theirs, name="b.test", home="shop")) == ""
    assert rule(judged(mine, theirs, name="a.test")) == "theirs"
