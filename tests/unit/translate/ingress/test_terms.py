"""TLS of servers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ingressworlds import codes, gateway, https, made, secret, server
from meshworlds import trust_source
from pems import pem
from tandem.ir.tlsterms import ClientProof, TlsTerms, TlsVersion
from tandem.ir.trust import Domains

CA = pem("ca.test")[0]
SPKI = base64.b64encode(bytes(32)).decode()
HASH = ":".join(["0a"] * 32)


def terms(**tls: Any) -> TlsTerms:
    found = made(gateway("shop", https("shop.test", **tls)), secret(), secret("cert-cacert", cacert=CA))
    return found.ports[0].listeners[0].terms


def told(**tls: Any) -> list[tuple[str, str]]:
    found = codes(gateway("shop", https("shop.test", **tls)), secret(), secret("cert-cacert", cacert=CA))
    return [(path.removeprefix("spec.servers[0].tls."), code) for path, code in found]


def test_without_a_word_clients_speak_1_2_or_newer_and_are_asked_for_nothing() -> None:
    assert terms() == TlsTerms(least=TlsVersion.V1_2)


def test_versions_and_ciphers_are_taken_over() -> None:
    found = terms(
        minProtocolVersion="TLSV1_1", maxProtocolVersion="TLSV1_2", cipherSuites=["ECDHE-ECDSA-AES128-GCM-SHA256"]
    )
    assert (found.least, found.most, found.ciphers) == (
        TlsVersion.V1_1,
        TlsVersion.V1_2,
        ("ECDHE-ECDSA-AES128-GCM-SHA256",),
    )


@pytest.mark.parametrize(("mode", "required"), [("MUTUAL", True), ("OPTIONAL_MUTUAL", False)])
def test_clients_are_believed_by_the_authorities_beside_the_certificate(mode: str, *, required: bool) -> None:
    names = {"subjectAltNames": ["a.test"], "verifyCertificateSpki": [SPKI], "verifyCertificateHash": [HASH]}
    assert terms(mode=mode, **names).clients == ClientProof(
        required=required, roots_pem=CA.decode(), names=("a.test",), spki=(SPKI,), hashes=(HASH,)
    )


def test_the_mesh_has_terms_of_its_own() -> None:
    one = server("shop.test", port=443, protocol="HTTPS", tls={"mode": "ISTIO_MUTUAL"})
    (listener,) = made(gateway("shop", one)).ports[0].listeners
    assert (listener.terms, listener.certificates) == (TlsTerms(mesh=Domains(own="cluster.local")), ())
    one["tls"]["minProtocolVersion"] = "TLSV1_3"
    assert codes(gateway("shop", one)) == [("spec.servers[0].tls.minProtocolVersion", "InvalidValue")]


def test_ciphers_that_are_not_known_are_left_out_of_those_that_are_and_told() -> None:
    known = "ECDHE-RSA-AES128-GCM-SHA256"
    assert terms(cipherSuites=["fake", known, known]).ciphers == (known,)
    assert told(cipherSuites=["fake", known]) == [("cipherSuites[0]", "UnsupportedValue")]


@pytest.mark.parametrize(
    ("tls", "path", "code"),
    [
        ({"caCertificates": "/etc/ca"}, "caCertificates", "UnsupportedField"),
        ({"caCrl": "/etc/crl"}, "caCrl", "UnsupportedField"),
        ({"of": "", "serverCertificate": "/a", "privateKey": "/b"}, "serverCertificate", "UnsupportedField"),
        ({"minProtocolVersion": "TLSV1_3", "maxProtocolVersion": "TLSV1_2"}, "maxProtocolVersion", "InvalidValue"),
        ({"cipherSuites": ["RC4"]}, "cipherSuites[0]", "UnsupportedValue"),
        ({"subjectAltNames": ["a.test"]}, "subjectAltNames", "InvalidValue"),
        ({"verifyCertificateSpki": [SPKI]}, "verifyCertificateSpki", "InvalidValue"),
        ({"caCertCredentialName": "x"}, "caCertCredentialName", "InvalidValue"),
        ({"mode": "MUTUAL", "verifyCertificateSpki": ["zz"]}, "verifyCertificateSpki[0]", "InvalidValue"),
        ({"mode": "MUTUAL", "verifyCertificateHash": ["zz"]}, "verifyCertificateHash[0]", "InvalidValue"),
        ({"mode": "MUTUAL", "caCertCredentialName": "gone"}, "caCertCredentialName", "InvalidCertificateRef"),
        ({"of": "gone"}, "credentialName", "InvalidCertificateRef"),
        ({"of": "", "credentialNames": ["cert", "gone"]}, "credentialNames[1]", "InvalidCertificateRef"),
    ],
)
def test_what_cannot_be_enforced_is_told_at_its_field(tls: dict[str, Any], path: str, code: str) -> None:
    assert (path, code) in told(**tls)


def test_a_server_whose_clients_nobody_can_judge_serves_nobody() -> None:
    one = gateway("shop", https("a.test", mode="MUTUAL"), https("b.test", of="other"))
    listeners = made(one, secret(), secret("other")).ports[0].listeners
    assert [(x.hostname, x.terms.clients, bool(x.certificates)) for x in listeners] == [
        ("a.test", None, False),
        ("b.test", None, True),
    ]


def test_clients_of_other_trust_domains_count_where_a_source_names_them() -> None:
    source = trust_source("partner.example")
    one = server("shop.test", port=443, protocol="HTTPS", tls={"mode": "ISTIO_MUTUAL"})
    (listener,) = made(gateway("shop", one), source).ports[0].listeners
    assert listener.terms.mesh == Domains(own="cluster.local", foreign=("partner.example",), sourced=True)
