"""Inbound listeners."""

from __future__ import annotations

from typing import Any

import msgspec

from meshbuild import PEER_AUTH, attached, strict
from tandem.compile.envoy.inbound import compile_inbound, compile_inbound_routes
from tandem.ir.delivery import Delivery, Room
from tandem.ir.fabric import Inbound, MtlsMode, PortMtls
from tandem.ir.traffic import Pool
from tandem.ir.trust import Domains
from tandem.state.ownership import INBOUND_MARK

OURS = Domains(own="cluster.local")
DISABLED = (PortMtls(port=0, mode=MtlsMode.DISABLE),)


def listener(**fields: Any) -> Any:
    return compile_inbound(attached("b", "10.244.0.3", netns="/ns/b", **fields), OURS).body


def chains(body: Any) -> dict[str, Any]:
    return {chain["name"]: chain for chain in body["filter_chains"]}


def target(chain: Any) -> str:
    return str(chain["filters"][0]["typed_config"].get("cluster", "http"))


def test_the_socket_is_transparent_and_in_the_pods_namespace() -> None:
    body = listener()
    assert body["transparent"] is True
    assert body["address"]["socket_address"]["network_namespace_filepath"] == "/ns/b"


def test_the_application_sees_the_clients_address() -> None:
    by_name = {f["name"]: f["typed_config"] for f in listener()["listener_filters"]}
    assert by_name["original-src"]["mark"] == INBOUND_MARK


def test_permissive_takes_mtls_and_plain() -> None:
    made = chains(listener())
    assert set(made) == {"0/tandem-http", "0/tandem-tcp", "0/app-tls", "0/plain"}
    assert target(made["0/plain"]) == target(made["0/app-tls"]) == "app/uid-b"


def test_strict_sends_everything_plain_where_nothing_is() -> None:
    made = chains(listener(mtls=strict(0)))
    assert set(made) == {"0/tandem-http", "0/tandem-tcp", "0/refused-tls", "0/refused-raw"}
    assert target(made["0/refused-raw"]) == target(made["0/refused-tls"]) == "refused"
    logger = made["0/refused-raw"]["filters"][0]["typed_config"]["access_log"][0]["typed_config"]
    assert logger["common_config"]["log_name"] == "refused|uid-b"


def test_disable_has_no_mtls_and_waits_for_nothing() -> None:
    body = listener(mtls=DISABLED)
    assert set(chains(body)) == {"0/app-tls", "0/plain"}
    assert "tls-inspector" not in {f["name"] for f in body["listener_filters"]}


def test_a_mode_of_one_port_leaves_the_others_as_they_are() -> None:
    made = chains(listener(mtls=strict(8080)))
    assert made["8080/refused-raw"]["filter_chain_match"]["destination_port"] == 8080
    assert "destination_port" not in made["0/plain"]["filter_chain_match"]
    assert "8080/plain" not in made


def test_plain_requests_to_http_ports_are_parsed() -> None:
    made = chains(listener(plain_http_ports=(8080,)))
    assert target(made["8080/plain"]) == "http"
    assert target(made["0/plain"]) == "app/uid-b"


def test_plain_requests_to_a_strict_http_port_are_refused() -> None:
    made = chains(listener(plain_http_ports=(8080,), mtls=strict(0)))
    assert target(made["8080/refused-raw"]) == "refused"
    assert "8080/plain" not in made


def test_mtls_chains_are_chosen_by_what_the_client_offers() -> None:
    made = chains(listener())
    for alpn in ("tandem-http", "tandem-tcp"):
        match = made[f"0/{alpn}"]["filter_chain_match"]
        assert match == {"transport_protocol": "tls", "application_protocols": [alpn]}
        assert "transport_socket" in made[f"0/{alpn}"]


def test_the_listener_names_the_manifests_that_it_realises() -> None:
    assert compile_inbound(attached("b", "10.244.0.3", mtls=strict(0)), OURS).origins == {PEER_AUTH}


def test_where_other_domains_count_strict_ports_meet_clients_without_a_proxy() -> None:
    trust = Domains(own="cluster.local", foreign=("partner",), sourced=True)
    made = chains(compile_inbound(attached("b", "10.244.0.3", mtls=strict(8080)), trust).body)
    assert made["8080/peers-http"]["filter_chain_match"]["application_protocols"] == ["http/1.1", "h2"]
    context = made["8080/peers-http"]["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["alpn_protocols"] == ["http/1.1", "h2"]  # in the order in which Envoy prefers them
    assert "application_protocols" not in made["8080/peers"]["filter_chain_match"]
    assert "8080/refused-tls" not in made
    secured = [chain for chain in made.values() if "transport_socket" in chain]
    assert len(secured) == 6
    assert {chain["filters"][0]["name"] for chain in secured} == {"one-name"}
    assert "transport_socket" not in made["0/app-tls"]  # which is the application's own


def test_a_request_has_the_time_that_its_pod_gives_it() -> None:
    pod = attached("b", "10.244.0.3").pod
    made = msgspec.structs.replace(pod, inbound=Inbound(request_ms=1500, origins=(PEER_AUTH,)))
    (found,) = compile_inbound_routes(made)
    (host,) = found.body["virtual_hosts"]
    assert host["routes"][0]["route"]["timeout"] == "1.500s"
    assert found.origins == {PEER_AUTH}


def test_an_application_that_a_sidecar_rule_has_spoken_to_in_one_version_has_one_way() -> None:
    pod = attached("a", "10.244.0.2").pod
    room = Room(pool=Pool(http2=True))
    for delivery, ways in ((pod.delivery, ["app/uid-a/http1", "app/uid-a"]), (Delivery(room=room), ["app/uid-a"])):
        (made,) = compile_inbound_routes(msgspec.structs.replace(pod, delivery=delivery))
        (host,) = made.body["virtual_hosts"]
        assert [route["route"]["cluster"] for route in host["routes"]] == ways
