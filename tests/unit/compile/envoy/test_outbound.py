"""Outbound listeners."""

from __future__ import annotations

from typing import Any

from meshbuild import attached, endpoint, endpoints, identity, service, view
from tandem.compile.envoy.outbound import compile_outbound, dialled
from tandem.compile.envoy.scope import scopes_of
from tandem.ir.fabric import AppProtocol, Endpoints, Service

POD = attached("a", "10.244.0.2", netns="/ns/a")
WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP), ("raw", 90, AppProtocol.TCP))


def listener(*parts: Service | Endpoints) -> Any:
    made = view(POD, *parts)
    return compile_outbound(POD, dialled(scopes_of(made, POD.pod), made.endpoints)).body


def test_the_socket_is_in_the_pods_namespace_and_on_loopback() -> None:
    address = listener()["address"]["socket_address"]
    assert address == {"address": "127.0.0.1", "port_value": 15001, "network_namespace_filepath": "/ns/a"}


def test_a_chain_is_chosen_by_the_address_and_port_dialled() -> None:
    http, raw = listener(WEB)["filter_chains"]
    assert http["filter_chain_match"] == {
        "destination_port": 80,
        "prefix_ranges": [{"address_prefix": "10.96.0.1", "prefix_len": 32}],
    }
    assert http["filters"][1]["typed_config"]["rds"]["route_config_name"] == "rt/shop/web/80"
    assert raw["filters"][1]["typed_config"]["cluster"] == "svc/shop/web/90"


def test_every_chain_first_says_in_which_namespace_and_as_whom() -> None:
    body = listener(WEB)
    for chain in (*body["filter_chains"], body["default_filter_chain"]):
        states = chain["filters"][0]["typed_config"]["on_new_connection"]
        values = [state["format_string"]["text_format_source"]["inline_string"] for state in states]
        assert values == ["/ns/a", identity("a")]


def test_nothing_waits_for_the_clients_first_bytes() -> None:
    assert [f["name"] for f in listener(WEB)["listener_filters"]] == ["original-dst"]


def test_what_is_no_service_passes_through() -> None:
    assert listener()["default_filter_chain"]["filters"][1]["typed_config"]["cluster"] == "passthrough"


def test_a_headless_service_is_matched_by_its_meshed_endpoints() -> None:
    inside, outside = attached("b", "10.244.0.3"), attached("x", "10.244.0.9", meshed=False)
    db = service("db", "", ("tcp", 5432, AppProtocol.TCP))
    (chain,) = listener(db, endpoints("db", endpoint(inside, tcp=5433), endpoint(outside, tcp=5433)))["filter_chains"]
    assert chain["filter_chain_match"] == {
        "destination_port": 5433,
        "prefix_ranges": [{"address_prefix": "10.244.0.3", "prefix_len": 32}],
    }
    assert chain["filters"][1]["typed_config"]["cluster"] == "pod/shop/db/5432"


def test_two_headless_services_of_one_pod_do_not_claim_the_same_address_twice() -> None:
    """Envoy would refuse the whole listener."""
    pod = attached("b", "10.244.0.3")
    parts = [service(n, "", ("tcp", 1, AppProtocol.TCP)) for n in ("one", "two")]
    members = [endpoints(n, endpoint(pod, tcp=5433)) for n in ("one", "two")]
    (chain,) = listener(*parts, *members)["filter_chains"]
    assert chain["name"] == "pod/shop/one/1:5433"
