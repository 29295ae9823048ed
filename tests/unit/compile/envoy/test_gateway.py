"""Listeners, virtual hosts and clusters of gateways."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gatewaybuild import backend, connections, gateway, hosts, listener, port, route
from meshbuild import attached, endpoint, endpoints, service, view
from tandem.compile import names
from tandem.compile.envoy import compile_envoy
from tandem.compile.envoy.gateway import compile_gateway, compile_gateway_routes
from tandem.drivers.xds.encode import encode_tree
from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import Gateway, GatewayPort
from tandem.ir.mesh import Forward, Redirect
from tandem.ir.traffic import Subset, TrafficPolicy
from tandem.state.xds import CLUSTER, ENDPOINT, LISTENER, ROUTE

PLAIN = port(
    listener("every", "*", hosts("else.test", route("else"))),
    listener("wild", "*.a.test", hosts("x.a.test", route("x"))),
)
SECURE = port(
    listener("one", "a.test", hosts("a.test", route("a")), certificates=("edge/one/1",)),
    listener("every", "*", hosts("*", route("any")), certificates=("edge/any/1", "edge/more/1")),
    listener("shut", "b.test", hosts("b.test", route("b"))),
    number=443,
    target=20443,
    tls=True,
)


def domains(found: Gateway) -> dict[str, dict[str, list[str]]]:
    """By route configuration and domain the routes."""
    made = {r.name: r.body for r in compile_gateway_routes(found, ())}
    return {
        name: {host["domains"][0]: [r["name"] for r in host["routes"]] for host in body["virtual_hosts"]}
        for name, body in made.items()
    }


def test_hosts_of_a_listener_without_a_route_for_them_go_to_no_other_listener() -> None:
    assert domains(gateway(PLAIN)) == {
        "edge/edge/edge/80": {"else.test": ["else"], "x.a.test": ["x"], "*": [], "*.a.test": []}
    }


def test_each_listener_of_tls_has_its_routes_and_sends_hosts_of_others_away() -> None:
    assert domains(gateway(SECURE)) == {
        "edge/edge/edge/443/one": {"a.test": ["a"], "*": ["misdirected"], "b.test": ["misdirected"]},
        "edge/edge/edge/443/every": {"*": ["any"], "a.test": ["misdirected"], "b.test": ["misdirected"]},
        "edge/edge/edge/443/shut": {"b.test": ["b"], "a.test": ["misdirected"], "*": ["misdirected"]},
    }


def test_chains_are_chosen_by_sni_and_without_a_certificate_nobody_is_served() -> None:
    (found,) = compile_gateway(gateway(SECURE), ("10.244.0.1",))
    chains = {c["name"]: c for c in found.body["filter_chains"]}
    assert {name: c["filter_chain_match"] for name, c in chains.items()} == {
        "one": {"server_names": ["a.test"]},
        "shut": {"server_names": ["b.test"]},
        "every": {"transport_protocol": "tls"},
    }
    context = chains["every"]["transport_socket"]["typed_config"]["common_tls_context"]
    names = [s["name"] for s in context["tls_certificate_sds_secret_configs"]]
    assert names == ["certificate/edge/any/1", "certificate/edge/more/1"]


def test_it_listens_at_the_nodes_own_addresses() -> None:
    (found,) = compile_gateway(gateway(PLAIN), ("10.244.0.1", "fd00::1"))
    more = [a["address"]["socket_address"] for a in found.body["additional_addresses"]]
    assert [found.body["address"]["socket_address"], *more] == [
        {"address": "10.244.0.1", "port_value": 20080},
        {"address": "fd00::1", "port_value": 20080},
    ]


@pytest.mark.parametrize(
    ("action", "where", "wanted"),
    [
        ({}, (80, False), None),
        ({}, (8080, False), 8080),
        ({}, (443, True), None),
        ({"scheme": "https"}, (80, False), None),
        ({"scheme": "https"}, (8080, False), 443),
        ({"scheme": "http"}, (443, True), None),
        ({"scheme": "http"}, (8443, True), 80),
        ({"port": 8081}, (80, False), 8081),
        ({"port": 443, "scheme": "https"}, (80, False), None),
        ({"port": 443}, (80, False), 443),
        ({"port": 80}, (8080, False), 80),
    ],
)
def test_a_redirect_leads_to_the_port_of_its_scheme_or_of_the_listener(
    action: dict[str, Any], where: tuple[int, bool], wanted: int | None
) -> None:
    number, tls = where
    moved = route("moved", action=Redirect(status=301, **action))
    made = port(listener("l", "*", hosts("*", moved), certificates=("a/b/c",)), number=number, tls=tls)
    (found,) = compile_gateway_routes(gateway(made), ())
    assert found.body["virtual_hosts"][0]["routes"][0]["redirect"].get("port_redirect") == wanted


def node(*ports: GatewayPort, app: AppProtocol = AppProtocol.HTTP) -> Any:
    web = attached("web", "10.244.0.5")
    found = gateway(*ports)
    parts = (service("web", "10.96.0.20", ("http", 80, app)), endpoints("web", endpoint(web, http=8080)))
    return view(*parts, gateways={"edge/edge": found})


def test_a_node_without_pods_has_the_listeners_and_clusters_of_its_gateways() -> None:
    found = compile_envoy(node(PLAIN)).resources
    assert list(found[LISTENER]) == ["gw/edge/edge/80"]
    assert list(found[ROUTE]) == ["edge/edge/edge/80"]
    own = "mirror/gateway/edge/edge/svc/shop/web/80"
    assert found[ENDPOINT][own].body["endpoints"] == found[ENDPOINT]["svc/shop/web/80"].body["endpoints"]
    (host,) = [h for h in found[ROUTE]["edge/edge/edge/80"].body["virtual_hosts"] if h["domains"] == ["x.a.test"]]
    assert host["routes"][0]["route"]["cluster"] == own


@pytest.mark.parametrize(
    ("app", "spoken"), [(AppProtocol.HTTP, "http_protocol_options"), (AppProtocol.HTTP2, "http2_protocol_options")]
)
def test_what_backends_are_spoken_to_in_is_not_up_to_the_client(app: AppProtocol, spoken: str) -> None:
    cluster = compile_envoy(node(PLAIN, app=app)).resources[CLUSTER]["mirror/gateway/edge/edge/svc/shop/web/80"].body
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert list(options["explicit_http_config"]) == [spoken]


def test_versions_that_are_subsets_have_clusters_of_the_gateway_s_own() -> None:
    """Without one Envoy would answer 503 for that part of the requests."""
    parts = tuple(msgspec.structs.replace(backend(), subset=name, weight=1) for name in ("v1", "v2"))
    served = port(listener("every", "*", hosts("*", route("r", action=Forward(backends=parts)))))
    subsets = tuple(Subset(name=name, labels=(("version", name),)) for name in ("v1", "v2"))
    policy = TrafficPolicy(namespace="shop", service="web", subsets=subsets)
    found = compile_envoy(msgspec.structs.replace(node(served), policies={"shop/web": policy})).resources
    (host,) = found[ROUTE]["edge/edge/edge/80"].body["virtual_hosts"]
    named = [c["name"] for c in host["routes"][0]["route"]["weighted_clusters"]["clusters"]]
    assert named == [f"mirror/gateway/edge/edge/svc/shop/web/80/{version}" for version in ("v1", "v2")]
    assert set(named) <= found[CLUSTER].keys() & found[ENDPOINT].keys()
    assert [names.version_of(cluster) for cluster in named] == ["shop/web/v1", "shop/web/v2"]


def test_connections_go_to_clusters_of_the_gateways_own_by_weight() -> None:
    more = msgspec.structs.replace(backend("gone!BackendNotFound"), weight=3)
    found = compile_envoy(node(connections("tr", backend(), more), app=AppProtocol.TCP)).resources
    listener_ = found[LISTENER]["gw/edge/edge/9000"]
    proxy = listener_.body["filter_chains"][0]["filters"][0]["typed_config"]
    own, gone = proxy["weighted_clusters"]["clusters"]
    assert (own["weight"], gone["weight"]) == (1, 3)
    assert own["name"] in found[CLUSTER]
    assert gone["name"] not in found[CLUSTER]
    assert {origin.kind for origin in listener_.origins} == {"Gateway", "TCPRoute"}
    assert not found[ROUTE]


def test_connections_that_have_nowhere_to_go_are_sent_to_the_cluster_that_has_nobody() -> None:
    found = compile_envoy(node(connections("tr"))).resources
    proxy = found[LISTENER]["gw/edge/edge/9000"].body["filter_chains"][0]["filters"][0]["typed_config"]
    assert proxy["cluster"] == names.REFUSED
    assert not found[CLUSTER][names.REFUSED].body.get("load_assignment")


def test_everything_is_a_message_of_envoys() -> None:
    for kind, named in compile_envoy(node(PLAIN, SECURE, connections("tr", backend()))).resources.items():
        for name, resource in named.items():
            assert encode_tree(kind, resource.body, name)


def test_a_gateway_of_a_family_that_the_node_has_not_is_not_served() -> None:
    found = view(gateways={"edge/edge": gateway(PLAIN, addresses=("2001:db8::1",))})
    assert not compile_envoy(found).resources[LISTENER]
