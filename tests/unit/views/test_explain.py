"""Verdicts before any packet is sent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from builders import cluster_policy, namespace, node, pod, policy, service, sliced, world
from gatewayworlds import tlsroute
from jwts import Issuer
from meshworlds import authz, dr, grpcroute, httproute, limit_at, parent, peerauth, ratelimit, reqauth, to, vs
from tandem.model import core
from tandem.model.meta import Condition, Object
from tandem.model.parse import parse
from tandem.views.explain import ExplainError, Explanation, Question, explain, question

IN_MESH = {"tandem.io/mesh": "enabled"}


def ready(name: str, ip: str, *, yes: bool = True, mesh: bool = True, **labels: str) -> core.Pod:
    made = pod(name, namespace="shop", ip=ip, labels={"app": name} | (IN_MESH if mesh else {}) | labels)
    condition = Condition(type="Ready", status="True" if yes else "False")
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, conditions=(condition,)))


CLIENT = ready("client", "10.244.0.2")
OUTSIDER = ready("outsider", "10.244.0.3", mesh=False)
V1 = ready("web-1", "10.244.0.5", app="web", version="v1")
V2 = ready("web-2", "10.244.0.6", app="web", version="v2")
WEB = service("web", ns="shop", ip="10.96.0.20", ports=[{"name": "http", "port": 80, "targetPort": 8080}])
SUBSETS = dr(
    "web",
    ns="shop",
    host="web",
    subsets=[{"name": v, "labels": {"version": v}} for v in ("v1", "v2")],
)
SPLIT = vs(
    "v",
    ns="shop",
    hosts=["web"],
    http=[{"match": [{"uri": {"prefix": "/v1"}}], "route": [to("web", "v1")]}, {"route": [to("web", "v2")]}],
)
DENY = policy("deny", ns="shop", source="deny.yaml:1", podSelector={"matchLabels": {"app": "web"}}, ingress=[])
STRICT = peerauth("strict", ns="shop", mtls={"mode": "STRICT"})


def ask(*objects: Object, source: str = "shop/client", to: str = "shop/svc/web", **more: Any) -> Explanation:
    return explain(
        sliced(namespace("shop"), CLIENT, OUTSIDER, V1, V2, WEB, *objects),
        Question(source=source, destination=to, **more),
    )


def test_where_nothing_is_said_all_may_talk_and_the_mesh_is_mtls() -> None:
    found = ask()
    assert found.allowed
    assert found.summary == "shop/client to shop/svc/web:80: allowed, mtls"
    assert [(w.address, w.port, w.transport) for w in found.ways] == [
        ("10.244.0.5", 8080, "mtls"),
        ("10.244.0.6", 8080, "mtls"),
    ]
    assert found.decided_by == ()


def test_a_denied_policy_is_named_with_file_and_line() -> None:
    found = ask(DENY)
    assert not found.allowed
    assert [str(o) for o in found.decided_by] == ["NetworkPolicy shop/deny spec.ingress (deny.yaml:1)"]
    assert found.summary.startswith("shop/client to shop/svc/web:80: denied by NetworkPolicy shop/deny")
    assert ("ingress policy", "isolates") in [(s.layer, s.effect) for s in found.ways[0].steps]


def test_strict_refuses_plain_text_and_takes_the_mesh() -> None:
    refused = ask(STRICT, source="shop/outsider")
    assert not refused.allowed
    assert {w.transport for w in refused.ways} == {"refused"}
    assert [(o.kind, o.name) for o in refused.decided_by] == [("PeerAuthentication", "strict")]
    assert ask(STRICT).allowed


def test_authorization_judges_who_proved_what_and_what_is_asked() -> None:
    rule = {"from": [{"source": {"namespaces": ["shop"]}}], "to": [{"operation": {"paths": ["/v1*"]}}]}
    only = authz("only", ns="shop", selector={"matchLabels": {"app": "web"}}, rules=[rule])
    assert ask(only, path="/v1/x").allowed
    other = ask(only, path="/v2")
    assert [str(o) for o in other.decided_by] == ["AuthorizationPolicy shop/only"]
    assert ("authorization", "allows nothing of the kind") in [(s.layer, s.effect) for s in other.ways[0].steps]
    assert not ask(only, source="shop/outsider", path="/v1").allowed


def test_a_token_is_read_for_what_it_says() -> None:
    accepts = reqauth(ns="shop", jwtRules=[{"issuer": "i"}])
    only = authz("only", ns="shop", rules=[{"from": [{"source": {"requestPrincipals": ["i/me"]}}]}])
    for token, by in (
        (Issuer("i").token(sub="me"), []),
        (Issuer("i").token(sub="you"), ["AuthorizationPolicy shop/only"]),
        (Issuer("j").token(), ["RequestAuthentication shop/ra spec.jwtRules[0]"]),
    ):
        found = ask(accepts, only, headers=(("authorization", f"Bearer {token}"),))
        assert [str(o) for o in found.decided_by] == by
        assert "authentication" in [s.layer for s in found.ways[0].steps]


def test_without_strict_the_outsider_talks_in_plain_text() -> None:
    assert ask(source="shop/outsider").summary == "shop/outsider to shop/svc/web:80: allowed, plain"


def test_a_route_decides_which_endpoints_are_meant() -> None:
    one, other = ask(SUBSETS, SPLIT, path="/v1"), ask(SUBSETS, SPLIT, path="/else")
    assert [w.address for w in one.ways] == ["10.244.0.5"]
    assert [w.address for w in other.ways] == ["10.244.0.6"]
    assert [(s.text, s.rule.path) for s in other.route if s.rule is not None] == [
        ("does not match", "spec.http[0]"),
        ("matches", "spec.http[1]"),
    ]


def test_the_name_in_tls_decides_about_tlsroutes() -> None:
    ports = [{"name": "tls", "port": 443, "targetPort": 8443}]
    made = service("db", ns="shop", ip="10.96.0.21", ports=ports, selector={"version": "v1"})
    other = service("db-new", ns="shop", ip="10.96.0.22", ports=ports, selector={"version": "v2"})
    rules = [{"backendRefs": [{"name": "db-new", "port": 443}]}]
    route = tlsroute("a.test", parents=(parent("db"),), ns="shop", rules=rules)
    found = ask(made, other, route, to="shop/svc/db", sni="a.test")
    assert [w.address for w in found.ways] == ["10.244.0.6"]
    assert [line.rule.kind for line in found.route if line.rule is not None] == ["TLSRoute", "TLSRoute"]
    assert [w.address for w in ask(made, other, route, to="shop/svc/db").ways] == ["10.244.0.5"]


def test_routes_of_connections_of_a_virtualservice_are_followed_by_the_name_in_tls() -> None:
    made = service("db", ns="shop", ip="10.96.0.21", ports=[{"name": "tcp", "port": 5432}], selector={"app": "web"})
    named = {"match": [{"sniHosts": ["a.test"]}], "route": [to("web", "v1")]}
    route = vs("v", ns="shop", hosts=["db"], tls=[named], tcp=[{"route": [to("gone")]}])
    found = ask(made, SUBSETS, route, to="shop/svc/db", sni="a.test")
    assert [w.address for w in found.ways] == ["10.244.0.5"]
    closed = ask(made, SUBSETS, route, to="shop/svc/db")
    assert (closed.ways, [str(o) for o in closed.decided_by]) == ((), ["VirtualService shop/v spec.tcp[0]"])
    assert "L7 route closes" in closed.summary


def test_routes_are_not_for_pods_outside_the_mesh() -> None:
    found = ask(SUBSETS, SPLIT, source="shop/outsider", path="/v1")
    assert [(line.layer, line.effect) for line in found.route] == [("Service", "translates")]
    assert len(found.ways) == 2


def test_mixed_endpoints_are_denied_for_some() -> None:
    partly = policy("v2", ns="shop", podSelector={"matchLabels": {"version": "v2"}}, ingress=[])
    found = ask(partly)
    assert not found.allowed
    assert "denied for 1 of 2 endpoints by NetworkPolicy shop/v2" in found.summary
    assert [w.allowed for w in found.ways] == [True, False]


def test_mixed_transports_are_both_told() -> None:
    plain = ready("web-3", "10.244.0.7", mesh=False, app="web")
    assert ask(plain).summary.endswith("allowed, mtls or plain")


def test_the_clients_own_egress_is_judged() -> None:
    closed = policy("closed", ns="shop", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"])
    (by,) = ask(closed).decided_by
    assert (by.name, by.path) == ("closed", "spec.egress")


def test_a_request_that_the_proxy_answers_says_with_what() -> None:
    teapot = vs("v", ns="shop", hosts=["web"], http=[{"directResponse": {"status": 418}}])
    found = ask(teapot)
    assert (found.allowed, found.ways) == (False, ())
    assert found.summary.endswith("answered with 418 by the proxy: matches (VirtualService shop/v spec.http[0])")


def test_pods_that_are_not_ready_are_not_chosen() -> None:
    lone = service("lone", ns="shop", ip="10.96.0.30", selector={"app": "late"})
    late = ready("late", "10.244.0.8", yes=False)
    found = ask(lone, late, to="shop/svc/lone")
    assert found.summary.endswith("nobody is there to answer: shop/late is not ready (Pod shop/late)")
    assert [str(o) for o in found.decided_by] == ["Pod shop/late"]
    early = service("lone", ns="shop", ip="10.96.0.30", selector={"app": "late"}, publishNotReadyAddresses=True)
    assert ask(early, late, to="shop/svc/lone").allowed


def test_a_pod_dialled_by_its_own_address_is_reached_in_plain_text() -> None:
    """As Envoy passes it through: mTLS goes with a Service."""
    found = ask(to="shop/web-1:8080")
    assert found.summary == "shop/client to shop/web-1:8080: allowed, plain"
    strict = ask(STRICT, to="10.244.0.5:8080")
    assert not strict.allowed
    assert [o.name for o in strict.decided_by] == ["strict"]


def test_a_pod_behind_a_headless_service_is_dialled_with_mtls() -> None:
    headless = service("peers", ns="shop", ip="None", selector={"app": "web"}, ports=[{"name": "p", "port": 8080}])
    assert ask(STRICT, headless, to="shop/web-1:8080").summary.endswith("allowed, mtls")
    assert not ask(STRICT, headless, to="shop/web-1:9090").allowed


def test_a_destination_rule_can_turn_mtls_off() -> None:
    plain = dr("plain", ns="shop", host="web", trafficPolicy={"tls": {"mode": "DISABLE"}})
    assert ask(plain).summary.endswith("allowed, plain")
    (by,) = ask(plain, STRICT).decided_by
    assert by.name == "strict"


def test_an_address_outside_is_judged_by_policy_alone() -> None:
    found = ask(to="203.0.113.9:443")
    assert (found.allowed, found.ways[0].transport) == (True, "plain")
    assert not ask(DENY, source="203.0.113.9", to="shop/web-1:8080").allowed


def test_a_named_target_port_is_that_of_each_pod() -> None:
    named = service("named", ns="shop", ip="10.96.0.31", selector={"app": "n"}, ports=[{"port": 80, "targetPort": "x"}])
    base = ready("n", "10.244.0.9")
    container = core.Container(name="c", ports=(core.ContainerPort(container_port=7000, name="x"),))
    with_port = msgspec.structs.replace(base, spec=msgspec.structs.replace(base.spec, containers=(container,)))
    assert [w.port for w in ask(named, with_port, to="shop/svc/named").ways] == [7000]
    assert ask(named, base, to="shop/svc/named").ways == ()


def test_the_answer_is_json_with_every_rule() -> None:
    raw = json.loads(msgspec.json.encode(ask(DENY)))
    assert raw["allowed"] is False
    assert raw["decided_by"][0]["source"] == "deny.yaml:1"
    assert raw["ways"][0]["steps"][0]["layer"] == "egress policy"


def test_words_that_name_nothing_are_no_answer() -> None:
    with pytest.raises(ExplainError, match="no Pod shop/gone"):
        ask(source="shop/gone")


def test_a_question_in_its_form_as_a_query() -> None:
    asked = question({"from": "a", "to": "b:80", "path": "/x", "method": "PUT", "headers": '[["X-User", "Ann=1"]]'})
    assert asked == Question(source="a", destination="b:80", path="/x", method="PUT", headers=(("x-user", "Ann=1"),))
    assert question({"from": "a", "to": "b", "namespace": ""}).namespace == "default"


@pytest.mark.parametrize("headers", ["nonsense", '{"a": 1}', '[["a"]]', "[1]"])
def test_headers_that_are_no_pairs_are_told(headers: str) -> None:
    with pytest.raises(ExplainError, match=r"^headers: "):
        question({"from": "a", "to": "b", "headers": headers})


def test_headers_decide_about_routes() -> None:
    by_user = vs(
        "v",
        ns="shop",
        hosts=["web"],
        http=[
            {"match": [{"headers": {"x-user": {"exact": "ann"}}}], "route": [to("web", "v1")]},
            {"route": [to("web", "v2")]},
        ],
    )
    assert [w.address for w in ask(SUBSETS, by_user, headers=(("x-user", "ann"),)).ways] == ["10.244.0.5"]


def both(made: core.Pod, six: str) -> core.Pod:
    ips = (core.PodIp(ip=made.addresses[0]), core.PodIp(ip=six))
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, pod_ips=ips))


SIX = tuple(both(made, f"fd00:10:244::{made.addresses[0][-1]}") for made in (CLIENT, OUTSIDER, V1, V2))
WEB6 = msgspec.structs.replace(
    WEB,
    spec=msgspec.structs.replace(
        WEB.spec, cluster_ip="fd00:10:96::20", cluster_ips=("fd00:10:96::20",), ip_families=("IPv6",)
    ),
)
ONLY_SIX = policy(
    "six",
    ns="shop",
    podSelector={"matchLabels": {"app": "web"}},
    ingress=[{"from": [{"ipBlock": {"cidr": "fd00:10:244::3/128"}}]}],
)


def test_a_service_of_ipv6_is_reached_at_the_addresses_of_ipv6_from_one_of_ipv6() -> None:
    found = ask(*SIX, WEB6, ONLY_SIX, source="shop/outsider")
    assert [(w.address, w.allowed) for w in found.ways] == [("fd00:10:244::5", True), ("fd00:10:244::6", True)]
    assert not ask(*SIX, WEB6, ONLY_SIX).allowed
    assert not ask(*SIX, WEB, ONLY_SIX, source="shop/outsider").allowed


def test_a_pod_that_is_dialled_at_its_address_of_ipv6_is_met_there() -> None:
    assert [w.address for w in ask(*SIX, to="[fd00:10:244::5]:8080").ways] == ["fd00:10:244::5"]


def test_dns_is_where_the_cluster_has_it() -> None:
    closed = policy(
        "closed",
        ns="shop",
        podSelector={},
        egress=[{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}],
    )
    to = {"to": "[fd00:10:96::a]:53", "protocol": "UDP"}
    assert ask(*SIX, closed, dns_addresses=("fd00:10:96::a",), **to).allowed
    assert not ask(*SIX, closed, **to).allowed


def test_a_rule_of_a_tier_is_told_with_its_tier_and_decides() -> None:
    rule = {"action": "Deny", "from": [{"namespaces": {}}], "name": "no"}
    answer = explain(
        world(pod("a"), pod("b"), cluster_policy("all", notes={"tandem.io/deny": "reject"}, ingress=[rule])),
        Question(source="a", destination="b:80"),
    )
    assert answer.summary == 'default/a to default/b:80: denied by ClusterNetworkPolicy all spec.ingress[0] "no"'
    [way] = answer.ways
    assert way.answered
    assert [(s.layer, s.effect) for s in way.steps if s.rule is not None] == [("ingress policy, Admin tier", "denies")]


def test_a_staged_policy_is_told_beside_the_verdict() -> None:
    closed = cluster_policy(
        "all", notes={"tandem.io/staged": "true"}, ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}]
    )
    answer = explain(world(pod("a"), pod("b"), closed), Question(source="a", destination="b:80"))
    assert answer.allowed
    told = [(s.layer, s.effect) for s in answer.ways[0].steps]
    assert ("ingress policy, Admin tier, staged", "denies") in told
    assert ("staged", "would be denied") in told


BALANCER = "192.0.2.10"


def balanced(*ranges: str) -> core.Service:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    spec: dict[str, Any] = {"type": "LoadBalancer", "loadBalancerSourceRanges": list(ranges)}
    made = service("web", ns="shop", ip="10.96.0.20", ports=ports, **spec)
    ingress = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip=BALANCER),))
    return msgspec.structs.replace(made, status=core.ServiceStatus(load_balancer=ingress))


@pytest.mark.parametrize(
    ("source", "allowed"),
    [("198.51.100.7", True), ("203.0.113.9", False), ("shop/client", False)],
)
def test_source_ranges_of_a_load_balancer_are_judged_at_its_address(source: str, *, allowed: bool) -> None:
    found = ask(balanced("198.51.100.0/24"), source=source, to=f"{BALANCER}:80")
    assert found.allowed is allowed
    assert found.destination == "shop/svc/web:80"
    (first, *_) = found.route
    assert (first.layer, first.effect) == ("Service", "allows" if allowed else "denies")
    by = [str(o) for o in found.decided_by]
    assert by == ([] if allowed else ["Service shop/web spec.loadBalancerSourceRanges"])


def test_the_proxy_of_a_client_knows_nothing_of_a_load_balancers_address() -> None:
    found = ask(balanced(), SUBSETS, SPLIT, to=f"{BALANCER}:80")
    assert [line.layer for line in found.route] == ["Service"]
    assert {w.transport for w in found.ways} == {"plain"}


def names_policy() -> Object:
    return cluster_policy(
        "names",
        tier="Admin",
        priority=1,
        subject={"namespaces": {}},
        egress=[
            {"action": "Pass", "to": [{"namespaces": {}}]},
            {"action": "Accept", "to": [{"domainNames": ["*.shop.test"]}]},
            {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]},
        ],
    )


def test_a_domain_name_is_judged_at_each_address_that_the_pods_node_knows() -> None:
    names = {"node-1": {"www.shop.test": ("192.0.2.1", "192.0.2.2")}, "node-2": {"www.shop.test": ("192.0.2.9",)}}
    found = ask(names_policy(), to="www.shop.test:443", names=names)
    assert found.allowed
    assert [(way.destination, way.address) for way in found.ways] == [
        ("www.shop.test:443", "192.0.2.1"),
        ("www.shop.test:443", "192.0.2.2"),
    ]
    # As an address, too: the node knows whose it is.
    assert ask(names_policy(), to="192.0.2.1:443", names=names).allowed
    assert not ask(names_policy(), to="192.0.2.9:443", names=names).allowed


def test_a_domain_name_that_nobody_has_asked_for_is_judged_by_itself() -> None:
    found = ask(names_policy(), to="new.shop.test:443")
    assert found.allowed
    [way] = found.ways
    assert way.destination == "new.shop.test:443 (no address is known yet; any outside)"
    denied = ask(names_policy(), to="shop.test:443")
    assert not denied.allowed
    assert [origin.name for origin in denied.decided_by] == ["names"]


def test_a_question_from_a_query_has_what_nodes_know_of_names() -> None:
    names = {"node-1": {"a.test": ("192.0.2.1",)}}
    assert question({"from": "a", "to": "b"}, names=names).names == names


def test_a_request_at_a_port_of_grpc_is_one_of_grpc_and_a_method_without_a_route_is_told() -> None:
    calls = service("calls", ns="shop", ip="10.96.0.21", ports=[{"name": "grpc", "port": 70, "targetPort": 8080}])
    rule = {"matches": [{"method": {"service": "x.A"}}], "backendRefs": [{"name": "web", "port": 80}]}
    route = grpcroute("calls", ns="shop", parentRefs=[parent("calls")], rules=[rule])
    found = ask(calls, route, to="shop/svc/calls:70", path="/x.A/Get")
    assert [(line.text, line.rule.kind if line.rule else "") for line in found.route] == [("matches", "GRPCRoute")]
    assert {w.address for w in found.ways} == {"10.244.0.5", "10.244.0.6"}
    other = ask(calls, route, to="shop/svc/calls:70", path="/x.B/Get")
    assert other.route[-1].text == "no rule matches: answered with UNIMPLEMENTED"
    plain = ask(calls, route, to="shop/svc/calls:70", path="/x.A/Get", headers=(("content-type", "text/plain"),))
    assert plain.route[-1].text == "no rule matches: not a gRPC request: answered with 404"


def external(kind: str, name: str, **spec: Any) -> Object:
    meta = {"name": name, "namespace": "shop"}
    return parse({"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec})


PARTNER = external(
    "ServiceEntry",
    "partner",
    hosts=["partner.example.com"],
    resolution="STATIC",
    ports=[{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}],
    endpoints=[{"address": "203.0.113.10"}],
)
CLOSED = external("Sidecar", "own", outboundTrafficPolicy={"mode": "REGISTRY_ONLY"})


def test_the_endpoints_of_a_host_outside_are_what_policy_judges() -> None:
    found = ask(PARTNER, to="partner.example.com:80")
    assert (found.allowed, [(w.address, w.port) for w in found.ways]) == (True, [("203.0.113.10", 8080)])
    assert (found.ways[0].steps[0].layer, str(found.ways[0].steps[0].rule)) == (
        "outbound",
        "ServiceEntry shop/partner",
    )
    closed = policy("out", ns="shop", podSelector={"matchLabels": {"app": "client"}}, policyTypes=["Egress"], egress=[])
    denied = ask(PARTNER, closed, to="partner.example.com:80")
    assert (denied.allowed, [o.kind for o in denied.decided_by]) == (False, ["NetworkPolicy"])


def test_what_the_registry_does_not_have_is_refused_by_what_says_so() -> None:
    assert ask(PARTNER, CLOSED, to="partner.example.com:80").allowed
    refused = ask(PARTNER, CLOSED, to="other.example.com:80")
    assert (refused.allowed, [str(o) for o in refused.decided_by]) == (
        False,
        ["Sidecar shop/own spec.outboundTrafficPolicy"],
    )
    assert ask(CLOSED, source="shop/outsider", to="other.example.com:80").allowed
    assert not ask(CLOSED, to="203.0.113.99:80").allowed
    assert ask(to="203.0.113.99:80").allowed
    # By an authority that the entry has, such a request may still go there.
    assert ask(PARTNER, CLOSED, to="203.0.113.99:80").allowed


LOCAL = {"app": "web", "istio-locality": "eu.west", **IN_MESH}
HERE = node("node-1", **{core.REGION: "eu", core.ZONE: "east"})


def _elsewhere() -> core.Pod:
    """V1, which says to be in eu/west."""
    return msgspec.structs.replace(V1, metadata=msgspec.structs.replace(V1.metadata, labels=LOCAL))


def test_each_endpoint_has_its_turn_by_locality() -> None:
    rule = dr("web", ns="shop", host="web", trafficPolicy={"outlierDetection": {}})
    found = ask(HERE, rule, _elsewhere())
    lines = [step for way in found.ways for step in way.steps if step.layer == "locality"]
    assert [(line.effect, line.text, str(line.rule)) for line in lines] == [
        ("stands by, turn 2", "in eu/west; the client's node node-1 is in eu/east", "DestinationRule shop/web"),
        ("comes first", "in eu/east; the client's node node-1 is in eu/east", "DestinationRule shop/web"),
    ]
    assert not any(step.layer == "locality" for way in ask(HERE).ways for step in way.steps)
    outside = ask(HERE, rule, source="shop/outsider")
    assert not any(step.layer == "locality" for way in outside.ways for step in way.steps)


def test_an_endpoint_without_a_portion_is_none_that_could_be_chosen() -> None:
    setting = {"distribute": [{"from": "eu/*", "to": {"eu/west": 90, "us": 10}}]}
    rule = dr("web", ns="shop", host="web", trafficPolicy={"loadBalancer": {"localityLbSetting": setting}})
    found = ask(HERE, rule, _elsewhere())
    (way,) = found.ways
    assert (way.address, way.steps[0].layer, way.steps[0].effect) == ("10.244.0.5", "locality", "gets 100 of 100")


def test_what_counts_a_request_is_told_at_the_route_and_at_the_pod() -> None:
    hr = httproute("hr", ns="shop", parentRefs=[parent("web")], rules=[{"backendRefs": [{"name": "web", "port": 80}]}])
    at_pod = ratelimit(limit_at("Service", "web"), ns="shop", name="pods")
    found = ask(hr, ratelimit(limit_at("HTTPRoute", "hr"), ns="shop", name="route"), at_pod)
    lines = [line for line in (*found.route, *found.ways[0].steps) if line.layer == "rate limit"]
    assert [(line.effect, str(line.rule)) for line in lines] == [
        ("is counted", "RateLimit shop/route spec.limits[0]"),
        ("is counted", "RateLimit shop/pods spec.limits[0]"),
    ]
    assert lines[1].text == "3 in each hour, for Service web, at each pod of it"


def test_what_is_refused_is_counted_by_nobody() -> None:
    found = ask(ratelimit(limit_at("Service", "web"), ns="shop"), authz(ns="shop", action="DENY", rules=[{}]))
    assert not [line for line in found.ways[0].steps if line.layer == "rate limit"]
