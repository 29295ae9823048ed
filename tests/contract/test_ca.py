"""The authority and its fake sign and refuse alike."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.verification import PolicyBuilder, Store

from tandem.drivers.ca.authority import Authority, fingerprint
from tandem.drivers.ca.fake import FakeAuthority
from tandem.drivers.ca.keys import new_request
from tandem.drivers.ca.port import Signer, SigningRefusedError

NOW = 1_800_000_000.0
WEB, DB = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/db"


@pytest.fixture(params=["real", "fake"])
def signer(request: pytest.FixtureRequest) -> Signer:
    return Authority.create("cluster.local", NOW) if request.param == "real" else FakeAuthority(NOW)


def csr(names: list[x509.GeneralName], key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def above(signer: Signer) -> list[x509.Certificate]:
    """The chain of what it signs, without the leaf."""
    return x509.load_pem_x509_certificates(signer.sign(new_request(WEB)[1].csr, {WEB}, NOW).encode())[1:]


def test_an_allowed_identity_is_signed_for_its_key(signer: Signer) -> None:
    key, request = new_request(WEB)
    leaf = x509.load_pem_x509_certificate(signer.sign(request.csr, {WEB}, NOW).encode())
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert san.critical
    assert san.value.get_values_for_type(x509.UniformResourceIdentifier) == [WEB]
    assert list(leaf.subject) == []
    private = serialization.load_pem_private_key(key.reveal(), None)
    assert leaf.public_key() == private.public_key()
    assert signer.signer == fingerprint(above(signer)[0])


def test_the_chain_verifies_as_a_clients(signer: Signer) -> None:
    _, request = new_request(WEB)
    leaf, *others = x509.load_pem_x509_certificates(signer.sign(request.csr, {WEB}, NOW).encode())
    root = x509.load_pem_x509_certificate(signer.roots.encode())
    moment = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    verifier = PolicyBuilder().store(Store([root])).time(moment).build_client_verifier()
    assert verifier.verify(leaf, others).subjects is not None


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        csr([]),
        csr([x509.DNSName("web")]),
        csr([x509.UniformResourceIdentifier(WEB), x509.UniformResourceIdentifier(DB)]),
        csr([x509.UniformResourceIdentifier(WEB), x509.DNSName("web")]),
        csr([x509.UniformResourceIdentifier(DB)]),
        csr([x509.UniformResourceIdentifier(WEB)], ec.generate_private_key(ec.SECP384R1())),
        csr([x509.UniformResourceIdentifier(WEB)], rsa.generate_private_key(65537, 2048)),
    ],
    ids=["nonsense", "no-san", "dns", "two-uris", "uri-and-dns", "not-allowed", "p384", "rsa"],
)
def test_what_may_not_be_signed_is_refused(signer: Signer, text: str) -> None:
    with pytest.raises(SigningRefusedError):
        signer.sign(text, {WEB}, NOW)


def test_the_key_in_a_refusal_is_not_shown(signer: Signer) -> None:
    key, request = new_request(DB)
    with pytest.raises(SigningRefusedError, match="sa/db may not be issued") as refusal:
        signer.sign(request.csr, {WEB}, NOW)
    assert "PRIVATE" not in f"{refusal.value!r} {key} {key!r}"
