"""Which Servers judge a pod."""

from __future__ import annotations

from typing import Any

import pytest

from builders import namespace, pod
from linkerdworlds import PROBED, WEB, allowing, judged, limits, noted, route, server
from tandem.ir.authz import AuthzPolicy
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.linkerd.servers import ServerIndex


def ports(policy: AuthzPolicy) -> list[str]:
    return [v.value for r in policy.rules[:1] for q in r.operations[0][:1] for v in q.values]  # type: ignore[union-attr]


def test_ports_by_name_are_all_of_that_name_and_a_selector_chooses_pods() -> None:
    two = pod("p", ports=[{"name": "http", "containerPort": p} for p in (1, 2)])
    assert [ports(p) for p in judged(server(port="http"), at=two).policies] == [["1", "2"]]
    beside = {"name": "s", "restartPolicy": "Always", "ports": [{"name": "admin", "containerPort": 4191}]}
    sidecar = pod("p", spec={"containers": [{"name": "c"}], "initContainers": [beside]})
    assert [ports(p) for p in judged(server(port="admin"), at=sidecar).policies] == [["4191"]]
    assert judged(server(port="none")).policies == ()
    assert judged(server(podSelector={"matchLabels": {"app": "db"}})).policies == ()


def test_of_two_servers_at_a_port_the_older_one_counts_and_the_other_says_so() -> None:
    new = server("a", created="2026-01-02T00:00:00Z", accessPolicy="all-unauthenticated")
    found = judged(new, server("b", created="2026-01-01T00:00:00Z"))
    assert [p.origin.name for p in found.policies] == ["b"]
    assert [(p.code, p.at.name) for p in found.problems] == [("Conflicted", "a")]


@pytest.mark.parametrize(
    ("spec", "http", "opaque"),
    [
        ({}, set(), set()),
        ({"proxyProtocol": "HTTP/1"}, {8080}, set()),
        ({"proxyProtocol": "gRPC"}, {8080}, set()),
        ({"proxyProtocol": "opaque"}, set(), {8080}),
        ({"proxyProtocol": "TLS"}, set(), {8080}),
    ],
)
def test_the_protocol_says_whether_requests_are_seen(spec: dict[str, Any], http: set[int], opaque: set[int]) -> None:
    found = judged(server(**spec))
    assert (set(found.http), set(found.opaque)) == (http, opaque)


def test_routes_and_probes_say_that_a_port_is_http() -> None:
    assert judged(server(), route("r")).http == {8080}
    assert judged(server(), at=PROBED).http == {8080}
    assert judged(server(proxyProtocol="opaque"), route("r")).http == frozenset()


def test_indexes_tell_in_which_namespaces_they_differ() -> None:
    def index(*objects: Object) -> ServerIndex:
        return ServerIndex(World.of(objects), "cluster.local")

    before = index(server(), server(ns="b"))
    assert before.differing(index(server(ns="b"), server())) == set()
    assert before.differing(index(server(), server(ns="b"), allowing("web", ns="b"))) == {"b"}
    assert before.differing(index(server(), server(ns="b"), noted(namespace("c"), "deny"))) == {"c"}
    assert before.differing(index(server(), server(ns="b"), noted(namespace("c"), "", "80"))) == {"c"}


def test_requests_are_counted_at_the_ports_of_the_server_if_any_are_seen() -> None:
    total = {"requestsPerSecond": 1}
    found = judged(server(port="http", accessPolicy="all-unauthenticated"), limits(total=total))
    assert [(one.name, one.ports) for one in found.limits] == [("HTTPLocalRateLimitPolicy/default/few", (8080,))]
    assert found.http == {8080}
    index = ServerIndex(World.of([server(proxyProtocol="opaque"), limits(total=total)]), "cluster.local")
    assert (index.judged(WEB).limits, [p.code for p in index.problems]) == ((), ["LimitIgnored"])


def test_where_one_route_changes_something_all_of_the_server_are_served_in_their_order() -> None:
    modifier = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}
    changing = route("changing", rules=[{"matches": [{"path": {"value": "/a"}}], "filters": [modifier]}])
    found = judged(server(port="http"), changing, route("plain", {"path": {"value": "/a/b"}})).served
    assert [(one.ports, one.origin.name, one.change.request.remove) for one in found] == [
        ((8080,), "plain", ()),
        ((8080,), "changing", ("a",)),
    ]
    assert judged(server(port="http"), route("plain", {"path": {"value": "/a/b"}})).served == ()
