"""Outbound listeners."""

from __future__ import annotations

from typing import Any

import msgspec

from chosen import Dialled, chain_for
from meshbuild import attached, endpoint, endpoints, identity, service, view
from tandem.base.problems import Origin
from tandem.compile.envoy import compile_envoy
from tandem.compile.envoy.outbound import Ports, dialled, dials_of, outbound_listener, told_of
from tandem.compile.envoy.scope import scopes_of
from tandem.ir.external import External
from tandem.ir.fabric import AppProtocol, Endpoints, Service
from tandem.ir.mesh import Backend, BytesMatch, BytesRoute, RouteTable, Split
from tandem.state.xds import ROUTE

POD = attached("a", "10.244.0.2", netns="/ns/a")
WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP), ("raw", 90, AppProtocol.TCP))


def listener_of(ports: Ports) -> Any:
    dials = dials_of(ports, told_of(POD.pod.logging.client, POD.pod.paths))
    return outbound_listener(POD, dials).body


def listener(*parts: Service | Endpoints | RouteTable) -> Any:
    made = view(POD, *parts)
    return listener_of(dialled(scopes_of(made, POD.pod), made.endpoints))


def leads(body: Any, address: str, port: int, **said: str) -> Any:
    """What the last filter of the chain for a connection is told."""
    return chain_for(body, Dialled(address, port, **said))["filters"][-1]["typed_config"]


def test_the_socket_is_in_the_pods_namespace_and_on_loopback() -> None:
    address = listener()["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 15001, "network_namespace_filepath": "/ns/a"}


def test_a_chain_is_chosen_by_the_address_and_port_dialled() -> None:
    body = listener(WEB)
    assert leads(body, "10.96.0.1", 80)["rds"]["route_config_name"] == "rt/shop/web/80"
    assert leads(body, "10.96.0.1", 90)["cluster"] == "svc/shop/web/90"
    for elsewhere in (("10.96.0.1", 91), ("10.96.0.2", 80)):
        assert leads(body, *elsewhere)["cluster"] == "passthrough"


def test_the_listener_says_before_any_chain_in_which_namespace_and_as_whom() -> None:
    states = listener(WEB)["listener_filters"][0]["typed_config"]["value"]["on_accept"]
    values = [state["format_string"]["text_format_source"]["inline_string"] for state in states]
    assert values == ["/ns/a", identity("a")]


def test_nothing_waits_for_the_clients_first_bytes() -> None:
    assert [f["name"] for f in listener(WEB)["listener_filters"]] == ["identity", "original-dst"]


def test_what_is_no_service_passes_through() -> None:
    assert leads(listener(), "192.0.2.1", 80)["cluster"] == "passthrough"


def headless(*members: Any) -> tuple[Service, Endpoints]:
    return service("db", "", ("tcp", 5432, AppProtocol.TCP)), endpoints("db", *members)


INSIDE, OUTSIDE = attached("b", "10.244.0.3"), attached("x", "10.244.0.9", meshed=False)


def test_a_headless_service_is_matched_by_its_meshed_endpoints() -> None:
    body = listener(*headless(endpoint(INSIDE, tcp=5433), endpoint(OUTSIDE, tcp=5433)))
    assert leads(body, "10.244.0.3", 5433)["cluster"] == "pod/shop/db/5432"
    assert leads(body, "10.244.0.9", 5433)["cluster"] == "passthrough"


def test_an_endpoint_of_a_headless_service_that_comes_or_goes_leaves_its_chain_as_it_is() -> None:
    """Envoy drains the connections of a chain that is another one."""
    more = endpoint(attached("c", "10.244.0.4"), tcp=5433)
    before, after = (listener(*headless(endpoint(INSIDE, tcp=5433), *others)) for others in ((), (more,)))
    assert before["filter_chains"] == after["filter_chains"]
    assert leads(after, "10.244.0.4", 5433) == leads(before, "10.244.0.3", 5433)
    assert leads(before, "10.244.0.4", 5433)["cluster"] == "passthrough"


def test_of_two_headless_services_of_one_pod_the_first_has_its_address() -> None:
    parts = [service(n, "", ("tcp", 1, AppProtocol.TCP)) for n in ("one", "two")]
    members = [endpoints(n, endpoint(INSIDE, tcp=5433)) for n in ("one", "two")]
    body = listener(*parts, *members)
    assert chain_for(body, Dialled("10.244.0.3", 5433))["name"] == "pod/shop/one/1:5433"
    assert [chain["name"] for chain in body["filter_chains"]] == ["passthrough", "pod/shop/one/1:5433"]


def closed(*parts: Service | Endpoints) -> Any:
    made = view(POD, *parts)
    return listener_of(dialled(scopes_of(made, POD.pod), made.endpoints, closed=True))


def test_a_pod_that_is_closed_passes_nothing_on_but_to_endpoints_of_headless_services() -> None:
    body = closed(*headless(endpoint(INSIDE, tcp=5433), endpoint(OUTSIDE, tcp=5433)))
    assert leads(body, "192.0.2.1", 5433)["cluster"] == "refused"
    assert leads(body, "10.244.0.3", 5433)["cluster"] == "pod/shop/db/5432"
    assert leads(body, "10.244.0.9", 5433)["cluster"] == "passthrough"


def external(name: str, *ports: tuple[str, int, AppProtocol], **fields: Any) -> Service:
    return msgspec.structs.replace(service(name, "", *ports), external=External(host=name, **fields))


def test_a_name_in_tls_is_awaited_on_the_ports_alone_that_ask_for_one() -> None:
    hosts = [external(f"{port}.example.com", ("tls", port, AppProtocol.TLS), passes=True) for port in (443, 8443)]
    *_, inspector = listener(*hosts)["listener_filters"]
    rules = inspector["filter_disabled"]["not_match"]["or_match"]["rules"]
    assert [rule["destination_port_range"] for rule in rules] == [
        {"start": 443, "end": 444},
        {"start": 8443, "end": 8444},
    ]


def test_of_two_hosts_for_one_address_the_first_keeps_it_and_services_come_before() -> None:
    raw = ("raw", 90, AppProtocol.TCP)
    one = external("a.example.com", raw, prefixes=("10.96.0.1/32", "192.0.2.1/32"), passes=True)
    two = external("b.example.com", raw, prefixes=("192.0.2.1/32", "192.0.2.2/32"), passes=True)
    body = listener(WEB, one, two)
    where = {address: leads(body, address, 90)["cluster"] for address in ("10.96.0.1", "192.0.2.1", "192.0.2.2")}
    assert where == {
        "10.96.0.1": "svc/shop/web/90",
        "192.0.2.1": "svc/shop/a.example.com/90",
        "192.0.2.2": "svc/shop/b.example.com/90",
    }


def test_hosts_that_share_addresses_are_told_by_authority() -> None:
    http = ("http", 80, AppProtocol.HTTP)
    hosts = [external(f"{n}.example.com", http, prefixes=("192.0.2.0/24",), passes=True) for n in "ab"]
    body = listener(*hosts)
    assert leads(body, "192.0.2.77", 80)["rds"]["route_config_name"].startswith("host/80~")
    assert leads(body, "192.0.3.1", 80)["cluster"] == "passthrough"


def directed(*routes: BytesRoute, at: Service = WEB) -> Any:
    """Where connections to a port lead that ask for a name: to a route configuration, a cluster, or shares."""
    body = listener(at, RouteTable(namespace="shop", service="web", routes=(), bytes=routes))

    def where(port: int, name: str = "") -> Any:
        last = leads(body, "10.96.0.1", port, server_name=name, transport="tls" if name else "raw_buffer")
        shares = [(c["name"], c["weight"]) for c in last.get("weighted_clusters", {}).get("clusters", ())]
        return shares or last.get("cluster") or last["rds"]["route_config_name"]

    return where


def to_db(name: str, *matches: BytesMatch, weight: int = 1, requests: bool = False) -> BytesRoute:
    origin = Origin(kind="TCPRoute", namespace="shop", name=name)
    backend = Backend(namespace="shop", service="db", port=90, weight=weight)
    backends = (backend,) if weight else ()
    return BytesRoute(name=name, matches=matches, backends=backends, requests=requests, origin=origin)


DB, OWN, HTTP = [("svc/shop/db/90", 1)], "svc/shop/web/90", "rt/shop/web/80"


def test_connections_are_directed_by_port_and_name_and_the_rest_goes_to_the_service() -> None:
    named = to_db("named", BytesMatch(ports=(90,), server_names=("a.test", "*.b.test")))
    where = directed(named)
    assert (where(80), where(90)) == (HTTP, OWN)
    assert {name: where(90, name) for name in ("a.test", "x.b.test", "b.test", "c.test")} == {
        "a.test": DB,
        "x.b.test": DB,
        "b.test": OWN,
        "c.test": OWN,
    }
    where = directed(to_db("every"))
    assert (where(80), where(90)) == (HTTP, DB)
    where = directed(named, to_db("every"))
    assert (where(80), where(90), where(90, "a.test"), where(90, "c.test")) == (HTTP, DB, DB, DB)


def test_requests_are_bytes_only_to_routes_that_say_so() -> None:
    where = directed(to_db("every", requests=True))
    assert (where(80), where(90)) == (DB, DB)
    where = directed(to_db("one", BytesMatch(ports=(80,)), requests=True))
    assert (where(80), where(90)) == (DB, OWN)


def test_routes_of_one_name_lead_where_each_of_them_says() -> None:
    """Those that are led through several gateways."""
    one = to_db("same", BytesMatch(ports=(90,), server_names=("a.test",)))
    other = to_db("same", BytesMatch(ports=(90,), server_names=("b.test",)), weight=0)
    where = directed(one, other)
    assert (where(90, "a.test"), where(90, "b.test"), where(90)) == (DB, "refused", OWN)


def test_a_route_without_backends_closes_connections() -> None:
    where = directed(to_db("none", weight=0))
    assert (where(80), where(90)) == (HTTP, "refused")


def test_no_route_configuration_is_made_where_requests_are_bytes() -> None:
    table = RouteTable(namespace="shop", service="web", routes=(), bytes=(to_db("every", requests=True),))
    assert HTTP in compile_envoy(view(POD, WEB)).resources[ROUTE]
    assert HTTP not in compile_envoy(view(POD, WEB, table)).resources[ROUTE]


def test_a_route_of_all_connections_has_a_port_of_tls_if_it_says_so_of_requests() -> None:
    secure = service("web", "10.96.0.1", ("tls", 443, AppProtocol.TLS))

    assert directed(to_db("tcp", requests=True), at=secure)(443) == DB
    assert directed(to_db("istio"), at=secure)(443) == "svc/shop/web/443"


def test_what_a_canary_divides_is_told_as_soon_as_it_is_open() -> None:
    split = Split(origin=Origin(kind="Canary", namespace="shop", name="web"), stable="shop/web", canary="shop/db")
    table = RouteTable(
        namespace="shop", service="web", routes=(), bytes=(msgspec.structs.replace(to_db("every"), splits=(split,)),)
    )
    lasts = [leads(listener(WEB, table), "10.96.0.1", port) for port in (80, 90)]
    assert [last.get("access_log_options") for last in lasts] == [None, {"flush_access_log_on_connected": True}]
