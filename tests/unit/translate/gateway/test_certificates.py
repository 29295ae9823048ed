"""Certificates of listeners: which Secrets can be used, and who gets the keys."""

from __future__ import annotations

import pytest

from gatewayworlds import codes, edge, gateway, grant, https, listener, tls_secret, world
from pems import pem
from tandem.ir.gateway import certificates_of
from tandem.model import core
from tandem.translate.pairs import pairs_for

KEY = pem()[1]
REF = "spec.listeners[0].tls.certificateRefs"


def test_a_certificate_is_named_by_its_content_and_its_pair_is_told_by_that_name() -> None:
    objects = (gateway("edge", https()), tls_secret())
    found = edge(*objects).gateways
    (name,) = found["default/edge"].ports[0].listeners[0].certificates
    pair = pairs_for(world(*objects), certificates_of(found["default/edge"]))[name]
    assert (pair.chain.encode(), pair.key.reveal()) == pem()
    assert KEY.decode() not in repr(pair)
    other = edge(gateway("edge", https()), tls_secret(crt=pem("b.test")[0], key=pem("b.test")[1])).gateways
    assert other["default/edge"].ports[0].listeners[0].certificates != (name,)


def test_a_pair_that_is_another_one_meanwhile_is_not_told_by_the_old_name() -> None:
    found = edge(gateway("edge", https()), tls_secret()).gateways
    renewed = world(gateway("edge", https()), tls_secret(crt=pem("b.test")[0], key=pem("b.test")[1]))
    assert pairs_for(renewed, certificates_of(found["default/edge"])) == {}


@pytest.mark.parametrize(
    ("secret", "word"),
    [
        (tls_secret("other"), "no Secret"),
        (tls_secret(crt=None), "has no tls.crt"),
        (tls_secret(key=None), "has no tls.key"),
        (tls_secret(crt=b"Hello world"), "no certificate"),
        (tls_secret(key=b"Hello world"), "no private key"),
        (tls_secret(key=pem("b.test")[1]), "not that of the certificate"),
    ],
    ids=["missing", "no-chain", "no-key", "bad-chain", "bad-key", "of-another"],
)
def test_what_is_wrong_with_a_secret_is_told_without_a_word_of_its_key(secret: core.Secret, word: str) -> None:
    found = edge(gateway("edge", https()), secret)
    assert codes(found) == [(f"{REF}[0]", "InvalidCertificateRef")]
    (problem,) = [p for p in found.problems if p.code == "InvalidCertificateRef"]
    assert word in problem.text
    assert not any(line and line in problem.text for line in KEY.decode().splitlines())
    assert not found.gateways


def test_other_kinds_and_none_are_no_certificate() -> None:
    refs = [{"name": "x", "kind": "ConfigMap"}, {"name": "x", "group": "example.com"}]
    found = edge(gateway("edge", listener("a", 443, "HTTPS", tls={"certificateRefs": refs})))
    assert [c for _, c in codes(found)] == ["InvalidCertificateRef"] * 2
    assert codes(edge(gateway("edge", listener("a", 443, "HTTPS", tls={})))) == [(REF, "InvalidCertificateRef")]


def test_a_secret_of_another_namespace_needs_a_grant() -> None:
    made, secret = gateway("edge", https(ns="other")), tls_secret(ns="other")
    assert codes(edge(made, secret)) == [(f"{REF}[0]", "RefNotPermitted")]
    assert codes(edge(made, secret, grant("Gateway", "Secret", name="another"))) == [(f"{REF}[0]", "RefNotPermitted")]
    for allowing in (grant("Gateway", "Secret"), grant("Gateway", "Secret", name="cert")):
        assert edge(made, secret, allowing).gateways
