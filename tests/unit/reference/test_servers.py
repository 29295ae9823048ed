"""What Servers let pass, by the reference: the cases of Linkerd's documents."""

from __future__ import annotations

import pytest

from builders import namespace, pod
from linkerdworlds import allowing, at_route, by, noted, route, server
from tandem.model.core import Pod
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.servers import decide_servers, reads_requests

PROBE = {"httpGet": {"port": 8080, "path": "/ready"}}
WEB = pod("web", spec={"containers": [{"name": "c", "readinessProbe": PROBE}]})
WEBAPP = Asked(principal="cluster.local/ns/default/sa/webapp", source="10.0.0.2", port=8080)
KUBELET = Asked(source="10.0.0.1", port=8080, path="/ready")


def decide(asked: Asked, *objects: Object, at: Pod = WEB) -> tuple[bool, list[str]]:
    found = decide_servers(World.of([*objects, at]), at, asked)
    return found.allowed, [str(origin) for origin in found.by]


def test_without_a_server_or_a_default_everyone_may() -> None:
    assert decide(KUBELET) == (True, [])


def test_a_server_denies_everyone_but_probes_until_somebody_is_authorized() -> None:
    assert decide(WEBAPP, server()) == (False, ["Server default/web"])
    assert decide(KUBELET, server()) == (True, [])
    assert decide(WEBAPP, server(), allowing("web", by("ServiceAccount", "webapp"))) == (True, [])


def test_with_routes_only_what_they_are_about_is_known_and_probes_need_one_too() -> None:
    get = route("authors-get", {"path": {"value": "/authors.json"}, "method": "GET"})
    who = allowing(at_route("authors-get"), by("ServiceAccount", "webapp"))
    asked = Asked(principal=WEBAPP.principal, port=8080, path="/authors.json")
    assert decide(asked, server(), get, who) == (True, [])
    assert decide(KUBELET, server(), get, who) == (False, ["Server default/web"])
    other = Asked(principal="cluster.local/ns/default/sa/books", port=8080, path="/authors.json")
    name = "Server default/web LinkerdHTTPRoute/authors-get/rules[0].matches[0]"
    assert decide(other, server(), get, who) == (False, [name])


def test_bytes_are_no_requests_of_any_route() -> None:
    asked = Asked(principal=WEBAPP.principal, port=8080, parsed=False)
    assert decide(asked, server(), route("all"), allowing("web")) == (False, ["Server default/web"])
    assert decide(asked, server(), allowing("web")) == (True, [])


@pytest.mark.parametrize(("value", "lets"), [("deny", False), ("all-authenticated", True), ("what", False)])
def test_defaults_are_the_pods_or_the_namespaces(value: str, *, lets: bool) -> None:
    asked = Asked(principal=WEBAPP.principal, port=9090)
    assert decide(asked, noted(namespace("default"), value))[0] is lets
    assert decide(asked, noted(namespace("default"), "deny"), at=noted(WEB, value))[0] is lets


@pytest.mark.parametrize(
    ("protocol", "seen"), [("HTTP/1", True), ("gRPC", True), ("opaque", False), ("TLS", False), ("unknown", None)]
)
def test_the_protocol_says_whether_plain_bytes_are_requests(protocol: str, *, seen: bool | None) -> None:
    world = World.of([server(port=9090, proxyProtocol=protocol)])
    assert reads_requests(world, WEB, 9090) is seen
    assert reads_requests(World.of([server()]), WEB, 8080) is True
    assert reads_requests(World(), WEB, 8080) is None
