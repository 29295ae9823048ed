"""What Servers deny at pods; that it is what the documents say is shown in tests/property/test_servers.py."""

from __future__ import annotations

from typing import Any

import pytest

from builders import namespace, pod
from linkerdworlds import allowing, at_route, by, networks, noted, older, route, server
from tandem.base.problems import Origin
from tandem.ir.authz import AuthzPolicy
from tandem.ir.match import Exact
from tandem.model.closing import read_policy
from tandem.model.core import Pod
from tandem.model.linkerd import Server
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.linkerd.servers import Judged, ServerIndex

WEB = pod("web", app="web", ports={"http": 8080, "more": 9090})
PROBED = pod("p", spec={"containers": [{"name": "c", "readinessProbe": {"httpGet": {"port": 8080, "path": "/ready"}}}]})


def judged(*objects: Object, at: Pod = WEB) -> Judged:
    return ServerIndex(World.of(objects), "cluster.local").judged(at)


def ports(policy: AuthzPolicy) -> list[str]:
    return [v.value for r in policy.rules[:1] for q in r.operations[0][:1] for v in q.values]  # type: ignore[union-attr]


def test_a_server_denies_all_but_those_who_are_authorized() -> None:
    (policy,) = judged(server(), allowing("web", by("NetworkAuthentication", "nets")), networks("10.0.0.0/8")).policies
    (rule,) = policy.rules
    assert (ports(policy), len(rule.spares), policy.staged) == (["8080"], 1, False)
    assert rule.origin == Origin(kind="Server", namespace="default", name="web")
    assert {o.kind for o in policy.objects} == {"Server", "LinkerdAuthorizationPolicy", "NetworkAuthentication"}


def test_nothing_is_denied_where_everyone_is_let_in() -> None:
    assert judged(server(accessPolicy="all-unauthenticated")).policies[0].rules == ()
    assert judged(server(), allowing("web")).policies[0].rules == ()


def test_a_policy_of_the_namespace_is_for_all_of_its_servers() -> None:
    whole = {"kind": "Namespace", "name": "default"}
    found = judged(server(), server("more", port="more"), allowing(whole, by("ServiceAccount", "a")))
    assert [len(p.rules[0].spares) for p in found.policies] == [1, 1]
    other = ServerIndex(World.of([server(), allowing({"kind": "Namespace", "name": "b"})]), "cluster.local")
    assert [(p.code, p.at.path) for p in other.problems] == [("RefNotPermitted", "spec.targetRef.name")]


def test_ports_by_name_are_all_of_that_name_and_a_selector_chooses_pods() -> None:
    two = pod("p", ports=[{"name": "http", "containerPort": p} for p in (1, 2)])
    assert [ports(p) for p in judged(server(port="http"), at=two).policies] == [["1", "2"]]
    assert judged(server(port="none")).policies == ()
    assert judged(server(podSelector={"matchLabels": {"app": "db"}})).policies == ()


def test_of_two_servers_at_a_port_the_older_one_counts_and_the_other_says_so() -> None:
    new = server("a", created="2026-01-02T00:00:00Z", accessPolicy="all-unauthenticated")
    found = judged(new, server("b", created="2026-01-01T00:00:00Z"))
    assert [p.origin.name for p in found.policies] == ["b"]
    assert [(p.code, p.at.name) for p in found.problems] == [("Conflicted", "a")]


def test_probes_are_spared_where_no_route_is_attached() -> None:
    (bare,) = judged(server(), at=PROBED).policies
    assert len(bare.rules[0].unless) == 1
    (routed,) = judged(server(), route("r"), at=PROBED).policies
    assert [len(rule.unless) for rule in routed.rules] == [0, 1]


def test_of_routes_the_more_specific_one_decides_and_what_none_is_about_is_denied() -> None:
    objects = (route("a", {"path": {"value": "/a"}}), route("all"), allowing(at_route("a"), by("ServiceAccount", "x")))
    (policy,) = judged(server(), *objects).policies
    first, second, rest = policy.rules
    assert (first.origin.path, len(first.spares)) == ("LinkerdHTTPRoute/a/rules[0].matches[0]", 1)
    assert (len(second.spares), second.unless) == (0, (first.operations[0][1:],))
    assert (rest.origin.path, len(rest.unless)) == ("", 2)


def test_an_audit_only_tells_but_what_no_route_is_about_is_denied() -> None:
    (told,) = judged(server(accessPolicy="audit")).policies
    assert (told.staged, len(told.rules)) == (True, 1)
    told, denied = judged(server(accessPolicy="audit"), route("a", {"path": {"value": "/a"}})).policies
    assert (told.staged, denied.staged) == (True, False)
    assert [rule.of_requests for rule in denied.rules] == [True]


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


def test_a_default_is_for_ports_that_no_server_selects_and_the_pods_own_goes_first() -> None:
    closed = noted(namespace("default"), "deny")
    _, default = judged(server(), closed).policies
    (rule,) = default.rules
    assert (rule.origin.kind, rule.origin.path) == (
        "Namespace",
        "metadata.annotations[config.linkerd.io/default-inbound-policy]",
    )
    assert [q.refuses for q in rule.operations[0]] == [(Exact("8080"),)]
    assert judged(closed, at=noted(WEB, "all-unauthenticated")).policies[0].rules == ()
    assert judged(noted(namespace("default"), "audit")).policies[0].staged


def test_a_default_that_nobody_knows_denies_and_is_told() -> None:
    index = ServerIndex(World.of([noted(namespace("default"), "open")]), "cluster.local")
    assert [(p.code, p.at.kind) for p in index.problems] == [("InvalidValue", "Namespace")]
    assert len(index.judged(WEB).policies[0].rules) == 1
    own = index.judged(noted(WEB, "open"))
    assert [(p.code, p.at.kind) for p in own.problems] == [("InvalidValue", "Pod")]


def test_indexes_tell_in_which_namespaces_they_differ() -> None:
    def index(*objects: Object) -> ServerIndex:
        return ServerIndex(World.of(objects), "cluster.local")

    before = index(server(), server(ns="b"))
    assert before.differing(index(server(ns="b"), server())) == set()
    assert before.differing(index(server(), server(ns="b"), allowing("web", ns="b"))) == {"b"}
    assert before.differing(index(server(), server(ns="b"), noted(namespace("c"), "deny"))) == {"c"}
