"""TLS transport sockets."""

from __future__ import annotations

from typing import Any

from meshbuild import identity
from tandem.compile.envoy import tls


def _context(socket: Any) -> Any:
    return socket["typed_config"]["common_tls_context"]


def _sans(socket: Any) -> list[Any]:
    validation = _context(socket)["combined_validation_context"]["default_validation_context"]
    return [entry["matcher"] for entry in validation["match_typed_subject_alt_names"]]


def test_a_server_requires_a_certificate_of_the_trust_domain() -> None:
    socket = tls.downstream(identity("b"), "cluster.local")
    assert socket["typed_config"]["require_client_certificate"] is True
    assert _sans(socket) == [{"prefix": "spiffe://cluster.local/"}]


def test_a_server_selects_no_alpn() -> None:
    assert "alpn_protocols" not in _context(tls.downstream(identity("b"), "cluster.local"))


def test_both_sides_ask_for_certificates_on_demand() -> None:
    """A name subscribed in advance is never delivered to an on-demand selector of the same Envoy."""
    for socket in (tls.downstream(identity("b"), "td"), tls.upstream((identity("b"),), tls.ALPN_TCP, "td")):
        assert "custom_tls_certificate_selector" in _context(socket)
        assert "tls_certificate_sds_secret_configs" not in _context(socket)


def test_a_client_accepts_the_identities_of_the_service_and_no_other() -> None:
    socket = tls.upstream((identity("b"), identity("c")), tls.ALPN_HTTP, "cluster.local")
    assert _sans(socket) == [{"exact": identity("b")}, {"exact": identity("c")}]
    assert _context(socket)["alpn_protocols"] == ["tandem-http"]


def test_a_service_without_identities_is_trusted_by_nobody() -> None:
    assert _sans(tls.upstream((), tls.ALPN_TCP, "td")) == [{"exact": "spiffe://td/nobody"}]


def test_sessions_are_never_resumed() -> None:
    client = tls.upstream((), tls.ALPN_TCP, "td")["typed_config"]
    server = tls.downstream(identity("b"), "td")["typed_config"]
    assert client["max_session_keys"] == 0
    assert server["disable_stateless_session_resumption"] is True
