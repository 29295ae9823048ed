"""Whom to trust, as Envoy is told it; with a real Envoy: tests/e2e/test_federation.py."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2, tls_spiffe_validator_config_pb2

from issuing import authority
from tandem.drivers.ca.authority import Root
from tandem.drivers.ca.trusted import anchored, new_secret, trust_secrets
from tandem.drivers.xds.messages import Encoded
from tandem.state.xds import PEERS, ROOTS, domain_roots

_P256 = bytes.fromhex("06082a8648ce3d030107")
"""The name of the curve, in DER."""
OURS, PARTNER = authority("one").pem, authority("two").pem
INTERMEDIATE = Root.create("cluster.local", 1_800_000_000.0).issue(1_800_000_000.0).to_pem()[0]


def context(secret: Encoded) -> Any:
    return secret_pb2.Secret.FromString(secret.value).validation_context


def domains(secret: Encoded) -> dict[str, str]:
    config = tls_spiffe_validator_config_pb2.SPIFFECertValidatorConfig()
    assert context(secret).custom_validator_config.typed_config.Unpack(config)
    return {one.name: one.trust_bundle.inline_string for one in config.trust_domains}


def test_without_sources_there_are_the_roots_of_our_own_alone() -> None:
    made = trust_secrets("cluster.local", OURS, None)
    assert made.keys() == {ROOTS}
    assert context(made[ROOTS]).trusted_ca.inline_string == OURS


def test_clients_are_held_against_the_roots_of_their_own_trust_domain() -> None:
    made = trust_secrets("cluster.local", OURS, {"partner.example": PARTNER})
    assert domains(made[PEERS]) == {"cluster.local": OURS, "partner.example": PARTNER}
    assert context(made[ROOTS]).trusted_ca.inline_string == OURS
    assert context(made[domain_roots("partner.example")]).trusted_ca.inline_string == PARTNER


def test_a_domain_without_roots_is_nobodys_and_its_servers_are_held_against_ours() -> None:
    """Envoy keeps a secret that is taken away: it has to be told something that trusts nobody of the domain."""
    for untold in ("", INTERMEDIATE):
        made = trust_secrets("cluster.local", OURS, {"partner.example": untold})
        assert domains(made[PEERS]) == {"cluster.local": OURS}
        assert context(made[domain_roots("partner.example")]).trusted_ca.inline_string == OURS


def test_where_our_own_root_does_not_sign_itself_others_are_not_trusted() -> None:
    peers = trust_secrets("cluster.local", INTERMEDIATE, {"partner.example": PARTNER})[PEERS]
    assert context(peers).trusted_ca.inline_string == INTERMEDIATE
    assert [m.matcher.prefix for m in context(peers).match_typed_subject_alt_names] == ["spiffe://cluster.local/"]


def test_another_bundle_is_another_version_and_the_same_one_is_not() -> None:
    one, again = (trust_secrets("a", OURS, {"b": PARTNER})[PEERS].version for _ in range(2))
    assert one == again != trust_secrets("a", OURS, {"b": PARTNER + OURS})[PEERS].version


def test_an_anchor_signs_itself() -> None:
    assert anchored(OURS)
    assert anchored(INTERMEDIATE + OURS)
    assert not anchored(INTERMEDIATE)
    assert not anchored("")


def test_a_new_secret_has_its_name_and_nothing_else() -> None:
    assert new_secret("x") == secret_pb2.Secret(name="x")


def test_a_root_whose_key_nobody_here_knows_is_no_anchor() -> None:
    der = x509.load_pem_x509_certificate(PARTNER.encode()).public_bytes(Encoding.DER)
    strange = x509.load_der_x509_certificate(der.replace(_P256, _P256[:-1] + b"\x7f"))
    pem = strange.public_bytes(Encoding.PEM).decode()
    assert not anchored(pem)
    assert anchored(pem + PARTNER)
    assert domains(trust_secrets("cluster.local", OURS, {"partner.example": pem})[PEERS]) == {"cluster.local": OURS}
