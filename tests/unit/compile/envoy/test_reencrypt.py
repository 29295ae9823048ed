"""Clusters of gateways that speak TLS to backends."""

from __future__ import annotations

from typing import Any

import msgspec

from gatewaybuild import asking, backend, connections, gateway, hosts, listener, port, route, sessions
from issuing import authority
from meshbuild import attached, endpoint, endpoints, service, view
from tandem.base.problems import Origin
from tandem.compile.envoy import compile_envoy
from tandem.compile.envoy.reencrypt import is_secured, origins_of, secured, spoken, traffic_over
from tandem.drivers.xds.encode import encode_tree
from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import BackendTls, Gateway
from tandem.ir.mesh import Forward, RouteMatch
from tandem.ir.traffic import ClientTls, LoadBalancer, Origination, PortTraffic, Subset, Traffic, TrafficPolicy
from tandem.state.xds import CLUSTER, ENDPOINT, LISTENER, ROUTE

POLICY = Origin(kind="BackendTLSPolicy", namespace="shop", name="tls")
ASKED = Origination(server_name="web.test", roots_pem=authority().pem, certificate="edge/client/1")
TLS = BackendTls(namespace="shop", service="web", port=80, tls=ClientTls.SIMPLE, origination=ASKED, origin=POLICY)
REFUSED = msgspec.structs.replace(TLS, tls=ClientTls.REFUSE, origination=Origination())
PLAIN = port(listener("every", "*", hosts("a.test", route("a"))))
SHARED = "svc/shop/web/80"
OWN, PLAIN_OWN = f"mirror/gateway/edge/edge~tls/{SHARED}", f"mirror/gateway/edge/edge/{SHARED}"
WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))


def made(*tls: BackendTls, ports: Any = (PLAIN,), app: AppProtocol = AppProtocol.HTTP, **fields: Any) -> Any:
    """The snapshot of a node with one gateway and Service web."""
    edge: Gateway = msgspec.structs.replace(gateway(*ports), backend_tls=tls)
    web = attached("web", "10.244.0.5")
    parts = (service("web", "10.96.0.1", ("http", 80, app)), endpoints("web", endpoint(web, http=8080)))
    return compile_envoy(view(*parts, gateways={"edge/edge": edge}, **fields)).resources


def context(cluster: Any) -> Any:
    return cluster.body["transport_socket"]["typed_config"]


def test_requests_go_by_a_cluster_that_speaks_tls_and_there_is_none_that_does_not() -> None:
    found = made(TLS)
    assert OWN in found[CLUSTER]
    assert PLAIN_OWN not in found[CLUSTER]
    assert {OWN, SHARED} <= found[ENDPOINT].keys()
    (host, _) = found[ROUTE]["edge/edge/edge/80"].body["virtual_hosts"]
    assert host["routes"][0]["route"]["cluster"] == OWN
    asked = context(found[CLUSTER][OWN])
    assert asked["sni"] == "web.test"
    common = asked["common_tls_context"]
    assert common["alpn_protocols"] == ["http/1.1"]
    assert common["validation_context"]["trusted_ca"] == {"inline_string": authority().pem}
    assert common["tls_certificate_sds_secret_configs"][0]["name"] == "certificate/edge/client/1"
    assert POLICY in found[CLUSTER][OWN].origins


def test_pods_of_the_mesh_speak_to_the_service_as_before() -> None:
    assert made(TLS)[CLUSTER][SHARED] == made()[CLUSTER][SHARED]


def test_where_nothing_may_be_sent_there_is_no_endpoint() -> None:
    found = made(REFUSED)[CLUSTER]
    assert found[OWN].body["type"] == "STATIC"
    assert PLAIN_OWN not in found


def test_connections_are_opened_in_tls_without_a_word_of_http() -> None:
    found = made(TLS, ports=(connections("tr", backend()),), app=AppProtocol.TCP)
    proxy = found[LISTENER]["gw/edge/edge/9000"].body["filter_chains"][0]["filters"][0]["typed_config"]
    assert OWN in str(proxy)
    assert "alpn_protocols" not in context(found[CLUSTER][OWN])["common_tls_context"]


def test_sessions_that_end_are_opened_in_tls_again_and_those_that_pass_are_not() -> None:
    ended = sessions("ended", "a.test", asking("a.test", to=backend()), certificates=("edge/one/1",))
    passed = sessions("passed", "b.test", asking("b.test", to=backend(), name="pr"))
    found = made(TLS, ports=(port(ended, passed, number=443, tls=True),), app=AppProtocol.TCP)
    assert {OWN, PLAIN_OWN} <= found[CLUSTER].keys()
    chains = {c["name"]: c for c in found[LISTENER]["gw/edge/edge/443"].body["filter_chains"]}
    assert OWN in str(chains["ended:TLSRoute/shop/sr/0"])
    assert PLAIN_OWN in str(chains["passed:TLSRoute/shop/pr/0"])
    assert context(found[CLUSTER][OWN])["sni"] not in str(found[CLUSTER][PLAIN_OWN].body)


def test_routes_of_grpc_speak_http2_in_tls_to_a_port_that_says_no_more() -> None:
    action = Forward(backends=(backend(),))
    calls = route("calls", matches=(RouteMatch(grpc=True),), action=action)
    found = made(TLS, ports=(port(listener("l", "*", hosts("*", calls))),), app=AppProtocol.TCP)[CLUSTER][OWN]
    assert context(found)["common_tls_context"]["alpn_protocols"] == ["h2"]
    (options,) = found.body["typed_extension_protocol_options"].values()
    assert "http2_protocol_options" in options["explicit_http_config"]


def test_everything_is_a_message_of_envoys() -> None:
    for kind, named in made(TLS, ports=(PLAIN, connections("tr", backend("web")))).items():
        for name, resource in named.items():
            assert encode_tree(kind, resource.body, name)


def test_the_rest_of_a_rule_holds_for_connections_in_tls_too() -> None:
    random = Traffic(lb=LoadBalancer.RANDOM)
    rule = TrafficPolicy(
        namespace="shop",
        service="web",
        traffic=Traffic(lb=LoadBalancer.ROUND_ROBIN, tls=ClientTls.DISABLE),
        ports=(PortTraffic(port=81, traffic=random),),
        subsets=(Subset(name="v1", labels=(), traffic=random),),
    )
    other = msgspec.structs.replace(TLS, service="api")
    found = traffic_over(rule, WEB, (TLS, other))
    assert found.of(80) == Traffic(lb=LoadBalancer.ROUND_ROBIN, tls=ClientTls.SIMPLE, origination=ASKED)
    assert found.of(81) == random
    assert found.of(80, found.subsets[0]) == Traffic(lb=LoadBalancer.RANDOM, tls=ClientTls.SIMPLE, origination=ASKED)
    assert traffic_over(None, WEB, (other,)).of(80) == Traffic()


def test_a_cluster_is_told_apart_from_one_whose_port_begins_alike() -> None:
    names = secured(msgspec.structs.replace(gateway(PLAIN), backend_tls=(TLS,)))
    assert names == (SHARED,)
    assert is_secured(f"{SHARED}/v1", names)
    assert not is_secured(f"{SHARED}80", names)
    assert origins_of(f"{SHARED}/v1", (TLS,)) == {POLICY}
    assert origins_of("svc/shop/api/80", (TLS,)) == frozenset()


def test_a_port_that_says_what_it_speaks_is_believed() -> None:
    plain = service("web", "10.96.0.1", ("a", 80, AppProtocol.TCP), ("b", 81, AppProtocol.TCP))
    assert [p.app for p in spoken(plain, (TLS,), grpc=True).ports] == [AppProtocol.GRPC, AppProtocol.TCP]
    assert spoken(plain, (TLS,), grpc=False) == plain
    assert spoken(WEB, (TLS,), grpc=True) == WEB
