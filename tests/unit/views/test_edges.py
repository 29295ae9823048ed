"""From a client outside through a gateway: every object that decides, in both layers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import ingressworlds as istio
from builders import namespace, node, pod, policy, service, sliced
from consulworlds import resolver
from gatewayworlds import at, gateway, gateway_class, https, listener, route, tcproute, tls_secret
from jwts import Issuer
from meshworlds import authz, faults, limit_at, peerauth, ratelimit, reqauth
from tandem.model.core import ConfigMap, Pod
from tandem.model.meta import Condition, Meta, Object
from tandem.views.explain import ExplainError, Explanation, Question, explain
from tlsworlds import backend_tls, bundle

GROUP = "gateway.networking.k8s.io"
SERVED = {"kind": "Service", "name": "web"}
EDGE = {"group": GROUP, "kind": "Gateway", "name": "edge"}
MESH = {"tandem.io/mesh": "enabled"}
CLIENT = "203.0.113.7"
STRICT = peerauth("strict", mtls={"mode": "STRICT"})
BOTH = gateway(
    "edge",
    listener("http", hostname="*.shop.test"),
    https(hostname="www.shop.test"),
    https("others", hostname="*.shop.test"),
    listener("raw", 9000, "TCP"),
    addresses=[{"value": "192.0.2.65"}],
)
ROUTE = route("hr", at(sectionName="http"), at(sectionName="https"), host="www.shop.test")
ISSUER = Issuer("https://issuer.example")


def ready(name: str, ip: str, *, on: str = "n1", **labels: str) -> Pod:
    made = pod(name, ip=ip, node=on, labels={"app": "web", **MESH, **labels})
    condition = Condition(type="Ready", status="True")
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, conditions=(condition,)))


WEB = ready("web", "10.244.0.5")
PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]
SERVICE = service("web", ip="10.96.0.20", ports=PORTS, selector={"app": "web"})


def ask(*objects: Object, to: str = "gateway/edge:80", source: str = CLIENT, **more: Any) -> Explanation:
    base = (namespace("default"), gateway_class(), node("n1"), tls_secret(), BOTH, SERVICE, WEB, ROUTE)
    asked = {"host": "www.shop.test"} | more
    return explain(sliced(*base, *objects), Question(source=source, destination=to, **asked))


def lines(found: Explanation) -> list[tuple[str, str, str]]:
    """Layer, effect and object of each that names one."""
    named = [(line, line.rule) for line in found.route if line.rule is not None]
    return [(line.layer, line.effect, f"{rule.kind}/{rule.name} {rule.path}") for line, rule in named]


def test_listener_route_gateway_policy_and_mtls_are_all_named() -> None:
    found = ask(STRICT)
    assert found.allowed
    assert found.summary == f"{CLIENT} to default/gateway/edge:80: allowed, mtls"
    assert lines(found) == [
        ("listener", "listener", "Gateway/edge spec.listeners[0]"),
        ("route", "route", "HTTPRoute/hr spec.rules[0].matches[0]"),
    ]
    (way,) = found.ways
    assert (way.destination, way.address, way.port, way.transport) == ("default/web:8080", "10.244.0.5", 8080, "mtls")
    told = [(step.layer, step.effect) for step in way.steps]
    assert ("gateway", "sends") in told
    assert way.steps[0].text == "from node n1 as 10.96.255.254"
    assert any(step.rule is not None and step.rule.name == "strict" for step in way.steps)


def test_it_is_found_by_its_address_too() -> None:
    assert ask(to="192.0.2.65:80").destination == "default/gateway/edge:80"


def denying(**operation: Any) -> Object:
    return authz(action="DENY", rules=[{"to": [{"operation": operation}]}], targetRefs=[EDGE])


def allowing(*, at: Any = EDGE, **source: Any) -> Object:
    return authz(rules=[{"from": [{"source": source}]}], targetRefs=[at])


def isolating(*sources: str) -> Object:
    peers = [{"from": [{"ipBlock": {"cidr": cidr}}]} for cidr in sources]
    return policy("deny", source="deny.yaml:1", podSelector={}, ingress=peers)


@pytest.mark.parametrize(
    ("decides", "allowed", "by"),
    [
        (denying(paths=["/x"]), False, "ap"),
        (denying(paths=["/y"]), True, ""),
        (denying(ports=["443"]), True, ""),
        (allowing(ipBlocks=["203.0.113.0/24"]), True, ""),
        (allowing(principals=["*"]), False, "ap"),
        # The pod's own policy judges the gateway by its identity.
        (allowing(at=SERVED, principals=["*/sa/edge"]), True, ""),
        (allowing(at=SERVED, principals=["*/sa/x"]), False, "ap"),
        (isolating(), False, "deny"),
        (isolating("10.96.255.254/32"), True, ""),
    ],
)
def test_policies_of_both_layers_decide(decides: Object, allowed: bool, by: str) -> None:  # noqa: FBT001
    found = ask(STRICT, decides, path="/x")
    assert (found.allowed, [origin.name for origin in found.decided_by]) == (allowed, [by] if by else [])
    if by == "ap" and not found.ways:
        assert found.summary.startswith(f"{CLIENT} to default/gateway/edge:80: denied at the gateway by Authorization")


def test_the_nodes_from_which_something_else_comes_of_it_are_told_apart() -> None:
    only = policy("own", podSelector={}, ingress=[{"from": [{"ipBlock": {"cidr": "10.96.255.254/32"}}]}])
    other = node("n2")
    other = msgspec.structs.replace(other, spec=msgspec.structs.replace(other.spec, pod_cidrs=("10.244.1.0/24",)))
    found = ask(STRICT, only, other)
    assert not found.allowed
    assert [(way.allowed, way.steps[0].text.partition(" as ")[0]) for way in found.ways] == [
        (True, "from node n1"),
        (False, "from node n2"),
    ]
    assert found.ways[1].steps[0].text == "from node n2 as 10.244.1.1"


TLS = {"to": "gateway/edge:443"}


@pytest.mark.parametrize(
    ("asked", "text", "rule"),
    [
        ({"host": "else.test"}, "answered with 404", "no listener of the port takes host 'else.test'"),
        ({"host": "a.shop.test"}, "answered with 404", "no route of the listener is for 'a.shop.test'"),
        ({**TLS, "host": "a.shop.test", "sni": "www.shop.test"}, "answered with 421", "is another listener's"),
        ({**TLS, "sni": "else.test"}, "nobody is there", "no listener of the port takes the name"),
        ({"to": "gateway/edge:81"}, "nobody is there", "no listener of connections has port 81"),
    ],
)
def test_what_no_listener_or_route_takes_is_answered(asked: dict[str, Any], text: str, rule: str) -> None:
    found = ask(**asked)
    assert (found.allowed, found.ways) == (False, ())
    assert text in found.summary
    assert any(rule in line.text for line in found.route)


def test_the_port_in_a_host_is_none_of_its_name() -> None:
    assert ask(host="www.shop.test:8080").allowed
    for host in ("[fd00::1]:80", "fd00::1"):
        named = host.removesuffix(":80")
        assert any(f"takes host {named!r}" in line.text for line in ask(host=host).route)


def test_connections_of_tcp_have_the_first_rule_of_the_oldest_route() -> None:
    route_ = tcproute("tr", at(sectionName="raw"))
    found = ask(STRICT, route_, to="gateway/edge:9000")
    assert found.allowed
    assert ("route", "route", "TCPRoute/tr spec.rules[0]") in lines(found)
    shut = authz(action="DENY", rules=[{"to": [{"operation": {"paths": ["/x"]}}]}], targetRefs=[EDGE])
    assert not ask(STRICT, route_, shut, to="gateway/edge:9000").allowed, "bytes have no path"
    assert "nobody is there" in ask(STRICT, to="gateway/edge:9000").summary


def test_a_token_is_read_and_routes_match_what_it_says() -> None:
    tokens = reqauth(
        targetRefs=[EDGE],
        jwtRules=[
            {"issuer": ISSUER.name, "jwks": ISSUER.jwks, "outputClaimToHeaders": [{"header": "x-sub", "claim": "sub"}]}
        ],
    )
    rule = {
        "matches": [{"headers": [{"name": "x-sub", "value": "kim"}]}],
        "backendRefs": [{"name": "web", "port": 80}],
    }
    only = route("kim", at(sectionName="http"), host="kim.shop.test", rules=[rule])

    def seen(*headers: tuple[str, str]) -> Explanation:
        return ask(STRICT, tokens, only, host="kim.shop.test", headers=headers)

    assert seen(("authorization", f"Bearer {ISSUER.token(sub='kim')}")).allowed
    assert "404" in seen(("x-sub", "kim")).summary, "forged"
    refused = seen(("authorization", "Bearer x.y"))
    assert [origin.kind for origin in refused.decided_by] == ["RequestAuthentication"]


def test_who_the_client_is_is_said_by_trusted_proxies() -> None:
    allow = authz(rules=[{"from": [{"source": {"remoteIpBlocks": ["198.51.100.9"]}}]}], targetRefs=[EDGE])
    meta = Meta(name="istio", namespace="istio-system")
    text = "defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}"
    mesh = ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})
    headers = (("x-forwarded-for", "198.51.100.9"),)
    assert [ask(STRICT, allow, *more, headers=headers).allowed for more in ((), (mesh,))] == [False, True]


def test_from_a_pod_its_own_network_policies_and_the_gateway_judge_it() -> None:
    client = pod("c", ip="10.244.0.9", labels={**MESH, "app": "c"})
    seen = authz(rules=[{"from": [{"source": {"ipBlocks": ["10.244.0.9"]}}]}], targetRefs=[EDGE])
    found = ask(STRICT, client, seen, source="c")
    assert (found.allowed, found.source) == (True, "default/c")
    assert found.route[0].layer == "egress policy"
    shut = policy("shut", podSelector={"matchLabels": {"app": "c"}}, policyTypes=["Egress"])
    denied = ask(STRICT, client, shut, source="c")
    assert denied.summary.startswith("default/c to default/gateway/edge:80: denied by NetworkPolicy default/shut")
    assert (denied.allowed, denied.ways) == (False, ())


def test_what_no_gateway_is_and_where_nothing_begins_is_said() -> None:
    with pytest.raises(ExplainError, match="nothing begins at a gateway"):
        ask(source="gateway/edge", to="default/web:8080")
    with pytest.raises(ExplainError, match="no Gateway default/none"):
        ask(to="gateway/none:80")


def test_what_counts_at_the_gateway_its_listener_and_the_route_is_told_outermost_first() -> None:
    limits = (
        ratelimit(limit_at("Gateway", "edge"), name="whole"),
        ratelimit(limit_at("Gateway", "edge", "http"), name="listener"),
        ratelimit(limit_at("Gateway", "edge", "https"), name="other"),
        ratelimit(limit_at("HTTPRoute", "hr"), name="route"),
    )
    found = [rule for layer, _, rule in lines(ask(*limits)) if layer == "rate limit"]
    assert sorted(found[:2]) == ["RateLimit/listener spec.limits[0]", "RateLimit/whole spec.limits[0]"]
    assert found[2:] == ["RateLimit/route spec.limits[0]"]


def test_what_has_no_route_is_counted_by_nobody() -> None:
    found = ask(ratelimit(limit_at("Gateway", "edge")), host="else.shop.test")
    assert not [layer for layer, _, _ in lines(found) if layer == "rate limit"]


def test_tls_to_a_backend_takes_the_place_of_the_meshs_and_is_told_with_its_policy() -> None:
    found = ask(backend_tls("p"), bundle())
    assert found.summary == f"{CLIENT} to default/gateway/edge:80: allowed, tls"
    (way,) = found.ways
    assert any(step.rule is not None and step.rule.name == "p" for step in way.steps)
    closed = ask(backend_tls("p"), bundle(), STRICT)
    assert (closed.allowed, [str(by) for by in closed.decided_by]) == (
        False,
        ["PeerAuthentication default/strict spec.mtls"],
    )
    # Whom a pod lets in by identity it knows no gateway that speaks TLS with its application.
    identity = "cluster.local/ns/default/sa/edge"
    assert ask(allowing(at=SERVED, principals=[identity])).allowed
    assert not ask(allowing(at=SERVED, principals=[identity]), backend_tls("p"), bundle()).allowed


def test_trouble_on_purpose_is_told() -> None:
    found = ask(faults(limit_at("HTTPRoute", "hr"), abort={"httpStatus": 503, "percent": 5}))
    told = [(line.text, str(line.rule)) for line in found.route if line.layer == "fault"]
    assert told == [("5 of 100 are answered with 503", "FaultInjection default/trouble")]


def at_istios(*objects: Object, to: str = "gateway/shop:80", **more: Any) -> Explanation:
    secure = istio.server("raw.test", port=443, protocol="TLS", tls={"mode": "PASSTHROUGH"})
    servers = istio.server("www.shop.test"), istio.https("www.shop.test", port=8443), secure
    theirs = istio.gateway("shop", *servers, status={"addresses": [{"value": "192.0.2.70"}]})
    return ask(theirs, istio.vs(hosts=("www.shop.test",)), istio.secret(), *objects, to=to, **more)


def test_through_istios_gateway_server_route_and_mtls_are_named() -> None:
    found = at_istios(STRICT)
    assert found.summary == f"{CLIENT} to default/gateway/shop:80: allowed, mtls"
    assert lines(found) == [
        ("listener", "listener", "IstioGateway/shop spec.servers[0]"),
        ("route", "route", "VirtualService/web spec.http[0]"),
    ]
    assert at_istios(to="192.0.2.70:80").allowed
    assert at_istios(to="gateway/shop:8443", sni="www.shop.test").allowed
    assert "404" in at_istios(host="else.test").summary


def test_policies_of_the_root_namespace_judge_at_istios_gateway_and_pods_know_it_by_its_identity() -> None:
    selected = {"matchLabels": {"istio": "ingressgateway"}}
    deny = authz(ns=istio.ROOT, action="DENY", rules=[{}], selector=selected)
    assert at_istios(deny).summary.startswith(f"{CLIENT} to default/gateway/shop:80: denied at the gateway by Auth")
    beside = authz(action="DENY", rules=[{}], selector=selected)
    assert at_istios(beside).allowed, "another namespace's selector means no gateway"
    principal = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
    assert at_istios(STRICT, allowing(at=SERVED, principals=[principal])).allowed
    assert not at_istios(STRICT, allowing(at=SERVED, principals=["*/sa/edge"])).allowed


def test_sessions_that_are_handed_on_follow_the_routes_of_tls() -> None:
    sent = {"match": [{"sniHosts": ["raw.test"]}], "route": [{"destination": {"host": "web", "port": {"number": 80}}}]}
    route_ = istio.vs("raw", hosts=("raw.test",), tls=[sent])
    found = at_istios(route_, to="gateway/shop:443", sni="raw.test")
    assert ("route", "route", "VirtualService/raw spec.tls[0]") in lines(found)
    # Nobody but the pod ends this TLS.
    assert (found.allowed, [way.address for way in found.ways]) == (True, ["10.244.0.5"])
    assert "nobody is there" in at_istios(route_, to="gateway/shop:443", sni="else.test").summary


def test_a_gateway_of_something_else_is_none_and_two_of_one_name_are_told() -> None:
    with pytest.raises(ExplainError, match="selects something else"):
        ask(istio.gateway("other", selector={"istio": "egressgateway"}), to="gateway/other:80")
    with pytest.raises(ExplainError, match="two Gateways default/edge"):
        ask(istio.gateway("edge"), to="gateway/edge:80")


def test_another_service_stands_in_for_a_backend_without_endpoints() -> None:
    empty = service("old", ip="10.96.0.21", ports=PORTS, selector={"app": "old"})
    rules = [{"backendRefs": [{"name": "old", "port": 80}]}]
    to_old = route("hr", at(sectionName="http"), host="www.shop.test", rules=rules)
    failover = resolver("old", failover={"*": {"service": "web"}})
    found = ask(empty, to_old, failover)
    assert (found.allowed, [way.address for way in found.ways]) == (True, ["10.244.0.5"])
    assert "or else to Service default/web" in [line.text for line in found.route]
    assert not ask(empty, to_old).allowed
