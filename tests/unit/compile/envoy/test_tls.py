"""TLS transport sockets."""

from __future__ import annotations

from typing import Any

from meshbuild import identity
from tandem.base.ids import SpiffeId
from tandem.compile.envoy import tls
from tandem.ir.tlsterms import ClientProof, TlsTerms
from tandem.ir.traffic import Origination
from tandem.ir.trust import Domains

OURS = Domains(own="cluster.local")
SOURCED = Domains(own="cluster.local", foreign=("partner",), sourced=True)


def _context(socket: Any) -> Any:
    return socket["typed_config"]["common_tls_context"]


def _sans(socket: Any) -> list[Any]:
    validation = _context(socket)["combined_validation_context"]["default_validation_context"]
    return [entry["matcher"] for entry in validation["match_typed_subject_alt_names"]]


def test_every_socket_of_a_cluster_is_behind_the_header_that_says_who_connects() -> None:
    inner = {"name": "x"}
    assert tls.announcing(0, {"transport_socket": inner}) == {"transport_socket": inner}
    one: Any = tls.announcing(2, {"transport_socket": inner})["transport_socket"]["typed_config"]
    assert (one["config"], one["transport_socket"]) == ({"version": "V2"}, inner)
    plain: Any = tls.announcing(1, {})["transport_socket"]["typed_config"]
    assert (plain["config"], plain["transport_socket"]) == ({"version": "V1"}, tls.RAW)
    matches = [{"name": "mtls", "transport_socket": inner}, {"name": "plain", "transport_socket": tls.RAW}]
    both: Any = tls.announcing(1, {"transport_socket_matches": matches})["transport_socket_matches"]
    assert [m["transport_socket"]["typed_config"]["transport_socket"] for m in both] == [inner, tls.RAW]


def test_a_server_requires_a_certificate_of_the_trust_domain() -> None:
    socket = tls.downstream(identity("b"), OURS)
    assert socket["typed_config"]["require_client_certificate"] is True
    assert _sans(socket) == [{"prefix": "spiffe://cluster.local/"}]


def test_where_there_are_sources_of_trust_the_secret_says_which_domains_count() -> None:
    context = _context(tls.downstream(identity("b"), SOURCED))
    assert context["validation_context_sds_secret_config"]["name"] == "PEERS"
    assert "combined_validation_context" not in context


def test_a_server_selects_no_alpn() -> None:
    assert "alpn_protocols" not in _context(tls.downstream(identity("b"), OURS))


def test_both_sides_ask_for_certificates_on_demand() -> None:
    """A name subscribed in advance is never delivered to an on-demand selector of the same Envoy."""
    for socket in (tls.downstream(identity("b"), OURS), tls.upstream((identity("b"),), (tls.ALPN_TCP,), OURS)):
        assert "custom_tls_certificate_selector" in _context(socket)
        assert "tls_certificate_sds_secret_configs" not in _context(socket)


def test_a_client_accepts_the_identities_of_the_service_and_no_other() -> None:
    socket = tls.upstream((identity("b"), identity("c")), (tls.ALPN_HTTP,), OURS)
    assert _sans(socket) == [{"exact": identity("b")}, {"exact": identity("c")}]
    assert _context(socket)["alpn_protocols"] == ["tandem-http"]


def test_servers_of_another_domain_are_held_against_its_roots_and_no_others() -> None:
    def roots(*names: str) -> str:
        socket = tls.upstream(tuple(map(SpiffeId, names)), ("h2",), SOURCED)
        name = _context(socket)["combined_validation_context"]["validation_context_sds_secret_config"]["name"]
        return str(name)

    assert roots(identity("b")) == "ROOTCA"
    assert roots("spiffe://partner/a", "spiffe://partner/b") == "roots/partner"
    assert roots("spiffe://partner/a", identity("b")) == "ROOTCA"  # who signs for one does not for the other
    assert roots("spiffe://stranger/a") == "ROOTCA"
    assert tls.foreign_domain(("partner.example",), SOURCED) == ""


def test_a_service_without_identities_is_trusted_by_nobody() -> None:
    assert _sans(tls.upstream((), (tls.ALPN_TCP,), OURS)) == [{"exact": "spiffe://cluster.local/nobody"}]


def test_sessions_are_never_resumed() -> None:
    client = tls.upstream((), (tls.ALPN_TCP,), OURS)["typed_config"]
    server = tls.downstream(identity("b"), OURS)["typed_config"]
    assert client["max_session_keys"] == 0
    assert server["disable_stateless_session_resumption"] is True


def test_a_gateway_asks_clients_for_a_certificate_and_may_let_them_in_without() -> None:
    asked = tls.terminating(("a/b/c",), terms=TlsTerms(clients=ClientProof(roots_pem="PEM")))["typed_config"]
    assert asked["require_client_certificate"] is True
    assert asked["common_tls_context"]["validation_context"] == {"trusted_ca": {"inline_string": "PEM"}}
    lenient = ClientProof(roots_pem="PEM", required=False, lenient=True)
    lax = tls.terminating(("a/b/c",), terms=TlsTerms(clients=lenient))["typed_config"]
    assert lax["require_client_certificate"] is False
    assert lax["common_tls_context"]["validation_context"]["trust_chain_verification"] == "ACCEPT_UNTRUSTED"
    assert "validation_context" not in tls.terminating(("a/b/c",))["typed_config"]["common_tls_context"]


def test_a_host_is_shown_the_certificate_that_the_agent_has_and_offered_what_is_spoken() -> None:
    asked = Origination(server_name="a.test", roots_pem="PEM", certificate="a/b/c")
    common = _context(tls.originating(asked, ("h2",)))
    assert common["tls_certificate_sds_secret_configs"][0]["name"] == "certificate/a/b/c"
    assert common["alpn_protocols"] == ["h2"]
    assert "tls_certificates" not in common
    assert "alpn_protocols" not in _context(tls.originating(asked, ()))
    revoking = Origination(server_name="a.test", roots_pem="PEM", crl_pem="CRL")
    assert _context(tls.originating(revoking, ()))["validation_context"]["crl"] == {"inline_string": "CRL"}
