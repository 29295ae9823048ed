"""Istio's Gateway as its admission judges it."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import https, server
from tandem.model.schema import validate


def wrong(*servers: dict[str, Any]) -> list[str]:
    raw = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "Gateway",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": list(servers)},
    }
    return [line.removeprefix("spec.") for line in validate(raw)]


def test_what_istio_takes_is_taken() -> None:
    assert wrong(server(), https("shop/*.shop.test"), server(port=9000, protocol="MONGO", name="db")) == []
    assert wrong(server(tls={"httpsRedirect": True, "mode": "PASSTHROUGH"})) == []
    assert wrong({**https(mode="PASSTHROUGH"), "hosts": ["*", "10.1.2.3"]}) == []


def test_a_gateway_has_servers_and_a_server_hosts() -> None:
    assert wrong() == ["servers: at least one server is required"]
    assert wrong({**server(), "hosts": []}) == ["servers[0].hosts: at least one host is required"]


@pytest.mark.parametrize("host", ["", "a", "a/b/c.test", "*shop.test", "a.*.test", "UPPER_/a.test", " a.test"])
def test_a_host_is_a_name_with_a_dot_and_with_or_without_a_namespace(host: str) -> None:
    (line,) = wrong({**server(), "hosts": [host]})
    assert line.startswith("servers[0].hosts[0]: ")


def test_a_gateway_is_named_by_a_dns_label() -> None:
    raw = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": {"name": "shop.a"}}
    (line,) = validate({**raw, "spec": {"servers": [server()]}})
    assert line.startswith("metadata.name: 'shop.a' is not a DNS label")


def test_names_of_ports_and_servers_are_their_own() -> None:
    one, two = server(name="a"), server(port=81, name="a")
    two["port"]["name"] = one["port"]["name"]
    assert wrong(one, two) == [
        f"servers[1].port.name: {one['port']['name']!r} occurs twice",
        "servers[1].name: 'a' occurs twice",
    ]


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (server(protocol="SMTP"), "port.protocol: 'SMTP' is none of"),
        (server(protocol="HTTPS"), "tls: is required for HTTPS"),
        (server(protocol="TCP", tls={"mode": "SIMPLE", "credentialName": "a"}), "tls: belongs to HTTPS and TLS"),
        (https(of="") | {"port": server()["port"]}, "tls.serverCertificate: is required in the mode SIMPLE"),
        (server(tls={"mode": "SIMPLE", "credentialName": "a"}), "tls: for HTTP it may say httpsRedirect alone"),
        ({**server(), "bind": "a"}, "bind: 'a' is no IP address"),
        ({**server(), "port": {**server()["port"], "targetPort": 1}}, "port.targetPort: is for Services"),
        (https(serverCertificate="a", privateKey="b"), "tls.serverCertificate: may not be given together with"),
        (https(of="", tlsCertificates=[{"privateKey": "b"}]), "tls.tlsCertificates[0].serverCertificate: is required"),
        (https(of="", mode="MUTUAL"), "tls.caCertificates: is required in the mode MUTUAL"),
        (https(of="", serverCertificate="a", privateKey="b", caCrl="c"), "tls.caCrl: in the mode SIMPLE"),
        (https(mode="ISTIO_MUTUAL"), "tls.credentialName: may not be given in the mode ISTIO_MUTUAL"),
        (https(of=""), "tls.serverCertificate: is required in the mode SIMPLE without credentialName"),
        (https(credentialNames=["b"]), "tls.credentialNames: may not be given together with credentialName"),
        (https(of="", credentialNames=["a", "b", "c"]), "tls.credentialNames: at most two"),
        (https(mode="STRICT"), "tls.mode:"),
        (https(sni="a"), "tls.sni: unknown field"),
    ],
)
def test_tls_fits_the_protocol_and_its_mode(one: dict[str, Any], line: str) -> None:
    assert any(found.startswith(f"servers[0].{line}") for found in wrong(one)), wrong(one)
