"""The listener of QUIC beside that of connections, and how clients learn of it."""

from __future__ import annotations

from typing import Any

import msgspec

from gatewaybuild import GATEWAY, gateway, hosts, listener, port, route
from tandem.compile.envoy.gateway import compile_gateway, compile_gateway_routes
from tandem.drivers.xds.encode import encode_tree
from tandem.ir.gateway import GatewayListener
from tandem.ir.tlsterms import ClientProof, TlsTerms, TlsVersion
from tandem.state.xds import LISTENER, Resource

CERTIFICATE = ("edge/cert/0123",)


def taking(name: str, hostname: str, terms: TlsTerms | None = None) -> GatewayListener:
    made = listener(name, hostname, hosts("a.test", route("r")), certificates=CERTIFICATE)
    return msgspec.structs.replace(made, http3=True, terms=terms or TlsTerms())


def listeners(*found: GatewayListener, own: tuple[str, ...] = ("10.244.0.1",)) -> dict[str, Resource]:
    made = compile_gateway(gateway(port(*found, number=443, target=20443, tls=True)), own)
    assert all(encode_tree(LISTENER, one.body, one.name) for one in made)
    return {one.name: one for one in made}


def quic(*found: GatewayListener, **more: Any) -> Any:
    return listeners(*found, **more)["gw/edge/edge/443/quic"].body


def tls(chain: Any) -> Any:
    return chain["transport_socket"]["typed_config"]["downstream_tls_context"]


def test_without_it_there_are_connections_alone() -> None:
    assert list(listeners(listener("l", "*", certificates=CERTIFICATE))) == ["gw/edge/edge/443"]


def test_it_stands_at_the_same_addresses_and_port_and_is_the_gateways() -> None:
    found = listeners(taking("l", "*"), own=("10.244.0.1", "fd00::1"))
    made = found["gw/edge/edge/443/quic"]
    inner = [
        at["address"]["socket_address"]
        for at in ({"address": made.body["address"]}, *made.body["additional_addresses"])
    ]
    assert [(at["address"], at["port_value"], at["protocol"]) for at in inner] == [
        ("10.244.0.1", 20443, "UDP"),
        ("fd00::1", 20443, "UDP"),
    ]
    assert made.origins == {GATEWAY}
    assert "protocol" not in found["gw/edge/edge/443"].body["address"]["socket_address"]


def test_each_listener_that_takes_it_has_its_names_and_the_routes_that_it_has_for_connections() -> None:
    own = taking("every", "*"), taking("a", "a.test"), listener("not", "b.test", certificates=CERTIFICATE)
    every, a = quic(*own)["filter_chains"]
    assert ("filter_chain_match" in every, a["filter_chain_match"]) == (False, {"server_names": ["a.test"]})
    by_tcp = listeners(*own)["gw/edge/edge/443"].body["filter_chains"]
    for mine, theirs in zip((every, a), by_tcp, strict=False):
        of_quic, of_tcp = (dict(chain["filters"][-1]["typed_config"]) for chain in (mine, theirs))
        assert of_quic.pop("codec_type") == "HTTP3"
        assert of_quic.pop("http3_protocol_options")
        assert of_quic == of_tcp


def test_certificates_and_what_is_asked_of_clients_are_those_of_connections_and_nothing_is_taken_early() -> None:
    clients = ClientProof(roots_pem="PEM")
    one = taking("l", "*", TlsTerms(least=TlsVersion.V1_0, ciphers=("ECDHE-RSA-AES128-SHA",), clients=clients))
    (chain,) = quic(one)["filter_chains"]
    (by_tcp,) = listeners(one)["gw/edge/edge/443"].body["filter_chains"]
    context, theirs = tls(chain)["common_tls_context"], by_tcp["transport_socket"]["typed_config"]
    assert tls(chain)["require_client_certificate"] is True
    for field in ("tls_certificate_sds_secret_configs", "validation_context"):
        assert context[field] == theirs["common_tls_context"][field]
    assert (context["alpn_protocols"], context["tls_params"]) == (["h3"], {"tls_minimum_protocol_version": "TLSv1_3"})
    assert chain["transport_socket"]["typed_config"]["enable_early_data"] is False


def test_answers_of_its_hosts_tell_of_it_and_those_of_others_do_not() -> None:
    secure = port(taking("every", "*"), listener("not", "b.test", certificates=CERTIFICATE), number=443, tls=True)
    plain = port(listener("plain", "*", hosts("a.test", route("r"))))
    made = compile_gateway_routes(gateway(secure, plain), ())
    told = {
        (one.name, host["domains"][0]): [h["header"]["value"] for h in host.get("response_headers_to_add", [])]
        for one in made
        for host in one.body["virtual_hosts"]
    }
    header = ['h3=":443"; ma=86400']
    assert told == {
        ("edge/edge/edge/443/every", "a.test"): header,
        ("edge/edge/edge/443/every", "*"): header,
        ("edge/edge/edge/443/every", "b.test"): [],
        ("edge/edge/edge/443/not", "b.test"): [],
        ("edge/edge/edge/443/not", "*"): [],
        ("edge/edge/edge/80", "a.test"): [],
        ("edge/edge/edge/80", "*"): [],
    }
