"""servers of Gateways, alone and beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import codes, gateway, https, made, secret, server


def names(*servers: dict[str, Any]) -> dict[int, list[tuple[str, ...]]]:
    found = made(gateway("shop", *servers), secret())
    return {port.port: [one.hostnames for one in port.listeners] for port in found.ports}


@pytest.mark.parametrize("protocol", ["HTTP", "HTTP2", "GRPC", "GRPC-WEB", "http"])
def test_plain_protocols_of_requests_are_one(protocol: str) -> None:
    (port,) = made(gateway("shop", server(protocol=protocol))).ports
    assert (port.tls, port.bytes) == (False, False)


def test_clients_of_one_server_may_speak_grpc_web() -> None:
    (port,) = made(gateway("shop", server("a.test", protocol="GRPC-WEB"), server("b.test", protocol="GRPC"))).ports
    assert [listener.grpc_web for listener in port.listeners] == [True, False]


@pytest.mark.parametrize("protocol", ["TCP", "MONGO", "MYSQL", "REDIS"])
def test_all_else_is_bytes(protocol: str) -> None:
    (port,) = made(gateway("shop", server(port=9000, protocol=protocol))).ports
    assert (port.tls, port.bytes) == (False, True)


def test_hosts_lose_their_namespaces() -> None:
    assert names(https("other/a.test", "./B.test", "*/c.test")) == {443: [("a.test", "b.test", "c.test")]}
    assert names(https("a.test", "shop/*")) == {443: [("a.test", "*")]}


def test_servers_of_plain_requests_join() -> None:
    assert names(server("a.test"), server("a.test", "b.test", protocol="HTTP2")) == {80: [("*",), ("*",)]}


def test_what_clashes_with_an_older_server_is_left_out() -> None:
    older = gateway("old", https("a.test"), server(port=9000, protocol="TCP"), created="2025-01-01T00:00:00Z")
    newer = gateway(
        "new",
        https("b.test", "a.test"),
        server(port=443),
        server("x.test", port=9000, protocol="TCP"),
        created="2026-01-01T00:00:00Z",
    )
    assert codes(older, newer, secret()) == [
        ("spec.servers[0].hosts[1]", "HostnameConflict"),
        ("spec.servers[1].port.protocol", "ProtocolConflict"),
        ("spec.servers[2].port.protocol", "ProtocolConflict"),
    ]
    found = made(older, newer, secret())
    assert [(p.port, len(p.listeners)) for p in found.ports] == [(443, 1), (9000, 1)]


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ({"bind": "192.0.2.1"}, "UnsupportedField"),
        ({"bind": "unix:///run/x"}, "UnsupportedField"),
        ({"bind": "0.0.0.0"}, ""),
        ({"defaultEndpoint": "127.0.0.1:80"}, "NoEffect"),
        ({"name": "front"}, ""),
    ],
)
def test_fields_that_cannot_be_meant_are_told(field: dict[str, Any], code: str) -> None:
    told = codes(gateway("shop", server(**field)))
    assert told == ([(f"spec.servers[0].{next(iter(field))}", code)] if code else [])


def test_a_port_of_pods_has_no_effect() -> None:
    one = server()
    one["port"]["targetPort"] = 8080
    assert codes(gateway("shop", one)) == [("spec.servers[0].port.targetPort", "NoEffect")]


def test_certificates_where_nothing_ends_have_no_effect() -> None:
    passed = https(mode="PASSTHROUGH", credentialName="keys")
    assert codes(gateway("shop", passed)) == [("spec.servers[0].tls.credentialName", "NoEffect")]


def test_a_redirect_of_what_is_https_already_has_no_effect() -> None:
    told = codes(gateway("shop", https(httpsRedirect=True)), secret())
    assert told == [("spec.servers[0].tls.httpsRedirect", "NoEffect")]


def test_automatic_passthrough_is_refused() -> None:
    one = server(port=15443, protocol="TLS", tls={"mode": "AUTO_PASSTHROUGH"})
    assert ("spec.servers[0].tls.mode", "UnsupportedValue") in codes(gateway("shop", one))


def test_a_server_without_a_certificate_stays_so_that_its_hosts_are_nobodys_else() -> None:
    found = made(gateway("shop", https("a.test", of="gone"), https("*")), secret())
    assert [(one.hostname, bool(one.certificates)) for one in found.ports[0].listeners] == [
        ("a.test", False),
        ("*", True),
    ]


def test_a_server_of_tls_with_a_mistake_keeps_its_hosts_and_serves_nobody() -> None:
    odd = https("a.test", cipherSuites=["RC4"])
    passed = server("b.test", port=443, protocol="TLS", tls={"mode": "AUTO_PASSTHROUGH"})
    found = made(gateway("shop", odd, passed, https("*")), secret())
    assert [(one.hostname, one.can_end, one.sessions.value) for one in found.ports[0].listeners] == [
        ("a.test", False, "requests"),
        ("b.test", False, "requests"),
        ("*", True, "requests"),
    ]
    assert names(server("a.test", bind="192.0.2.1"), server("b.test")) == {80: [("*",)]}
