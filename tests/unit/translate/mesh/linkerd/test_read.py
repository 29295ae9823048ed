"""What is read of Servers and of all that is attached to them."""

from __future__ import annotations

import pytest

from builders import namespace
from linkerdworlds import WEB, allowing, by, judged, noted, older, route, server
from tandem.model.closing import read_policy
from tandem.model.linkerd import Server
from tandem.model.world import World
from tandem.translate.mesh.linkerd.servers import ServerIndex


def test_a_policy_of_the_namespace_is_for_all_of_its_servers() -> None:
    whole = {"kind": "Namespace", "name": "default"}
    found = judged(server(), server("more", port="more"), allowing(whole, by("ServiceAccount", "a")))
    assert [len(p.rules[0].spares) for p in found.policies] == [1, 1]
    other = ServerIndex(World.of([server(), allowing({"kind": "Namespace", "name": "b"})]), "cluster.local")
    assert [(p.code, p.at.path) for p in other.problems] == [("RefNotPermitted", "spec.targetRef.name")]


@pytest.mark.parametrize(("protocol", "kind"), [("gRPC", "LinkerdHTTPRoute"), ("opaque", "LinkerdHTTPRoute")])
def test_a_route_of_another_kind_than_the_protocol_is_not_asked(protocol: str, kind: str) -> None:
    index = ServerIndex(World.of([server(proxyProtocol=protocol), route("r")]), "cluster.local")
    (problem,) = index.problems
    assert (problem.code, kind in problem.text) == ("RouteIgnored", True)
    assert len(index.judged(WEB).policies[0].rules) == 1


@pytest.mark.parametrize(
    "closed",
    [
        server(accessPolicy="what"),
        server(proxyProtocol="HTTP/3"),
        server(podSelector={"matchExpressions": [{"key": "a", "operator": "Is"}]}),
    ],
    ids=["accessPolicy", "proxyProtocol", "operator"],
)
def test_what_is_not_known_lets_nobody_in(closed: Server) -> None:
    index = ServerIndex(World.of([closed, allowing("web")]), "cluster.local")
    assert [p.code for p in index.problems if p.at.kind == "Server"] == ["UnsupportedValue"]
    (policy,) = index.judged(WEB).policies
    assert [(r.spares, r.unless) for r in policy.rules] == [((), ())]


@pytest.mark.parametrize(("broken", "every"), [({"accessPolicy": 5}, False), ({"port": {}}, True), ({"new": 1}, False)])
def test_a_server_that_nobody_understands_is_closed_at_its_port_or_at_every_one(
    broken: dict[str, object], *, every: bool
) -> None:
    raw = {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "port": 8080, **broken},
    }
    (policy,) = judged(read_policy(raw), allowing("web")).policies
    (rule,) = policy.rules
    assert (rule.operations == (), rule.spares) == (every, ())


def test_a_server_of_external_workloads_is_for_no_pod() -> None:
    index = ServerIndex(World.of([server(podSelector=None, externalWorkloadSelector={})]), "cluster.local")
    assert (index.judged(WEB).policies, [p.code for p in index.problems]) == ((), ["UnsupportedField"])


def test_the_older_kind_chooses_servers_by_name_or_by_label() -> None:
    named = older("n", client={"unauthenticated": True})
    chosen = older("s", client={"unauthenticated": True}, selector={"matchLabels": {"of": "web"}})
    (policy,) = judged(server(labels={"of": "web"}), named, chosen).policies
    assert [o.name for o in policy.made_of] == ["n", "s"]
    (policy,) = judged(server(), chosen).policies
    assert policy.made_of == ()


def test_a_default_that_nobody_knows_denies_and_is_told() -> None:
    index = ServerIndex(World.of([noted(namespace("default"), "open")]), "cluster.local")
    assert [(p.code, p.at.kind) for p in index.problems] == [("InvalidValue", "Namespace")]
    assert len(index.judged(WEB).policies[0].rules) == 1
    own = index.judged(noted(WEB, "open"))
    assert [(p.code, p.at.kind) for p in own.problems] == [("InvalidValue", "Pod")]
