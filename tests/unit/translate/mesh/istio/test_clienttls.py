"""TLS that a DestinationRule asks for towards a host."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from pems import pem
from tandem.ir.traffic import ClientTls, Origination
from tandem.ir.trust import Domains
from tandem.model.istio import ClientTlsSettings
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.istio.clienttls import DIRECTORY, TlsReader

DOMAINS = Domains(own="cluster.local", foreign=("partner.example",), sourced=True)
HOST = "api.example.com"
PEM, KEY = (text.decode() for text in pem())


def secret(**data: str) -> Object:
    encoded = {key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    meta = {"name": "roots", "namespace": "shop"}
    return parse({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded})


def read(*objects: Object, reader: dict[str, Any] | None = None, **spec: Any) -> tuple[Any, Any, list[tuple[str, str]]]:
    wrongs: list[tuple[str, str]] = []
    given = {"world": World.of(objects), "namespace": "shop", "domains": DOMAINS, "server_name": HOST}
    made = TlsReader(**{**given, **(reader or {})})
    settings = msgspec.convert(spec, ClientTlsSettings)
    mode, found = made.read(settings, "t", lambda path, code, _: wrongs.append((path, code)))
    return mode, found, wrongs


def test_modes_that_need_nothing_have_nothing() -> None:
    assert read() == (ClientTls.AUTO, Origination(), [])
    assert read(mode="DISABLE") == (ClientTls.DISABLE, Origination(), [])
    names = ["spiffe://cluster.local/ns/shop/sa/vm"]
    assert read(mode="ISTIO_MUTUAL", subjectAltNames=names)[1] == Origination(alt_names=tuple(names))


def test_the_host_is_asked_for_and_verified_unless_the_rule_says_otherwise() -> None:
    assert read(mode="SIMPLE")[1] == Origination(server_name=HOST)
    found = read(mode="SIMPLE", sni="www.example.com", subjectAltNames=["a"], reader={"alt_names": ("b",)})[1]
    assert found == Origination(server_name="www.example.com", alt_names=("a",))
    assert read(mode="SIMPLE", reader={"alt_names": ("b",)})[1].alt_names == ("b",)
    assert read(mode="SIMPLE", insecureSkipVerify=True)[1].unverified


@pytest.mark.parametrize("key", ["ca_crt", "cacert"])
def test_roots_come_from_a_secret_of_the_rules_namespace(key: str) -> None:
    mode, found, wrongs = read(secret(**{key: PEM}), mode="SIMPLE", credentialName="roots")
    assert (mode, found.roots_pem, wrongs) == (ClientTls.SIMPLE, PEM, [])


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"mode": "SIMPLE", "credentialName": "gone"}, "t.credentialName", "SecretNotFound"),
        ({"mode": "SIMPLE", "credentialName": "roots"}, "t.credentialName", "InvalidValue"),
        ({"mode": "SIMPLE", "caCertificates": "/etc/shadow"}, "t.caCertificates", "UnsupportedValue"),
        ({"mode": "SIMPLE", "caCertificates": f"{DIRECTORY}../x"}, "t.caCertificates", "UnsupportedValue"),
        ({"mode": "SIMPLE", "caCrl": "/crl.pem"}, "t.caCrl", "UnsupportedValue"),
        ({"mode": "MUTUAL"}, "t.clientCertificate", "InvalidValue"),
        ({"mode": "MUTUAL", "credentialName": "roots"}, "t.credentialName", "InvalidValue"),
        ({"mode": "MUTUAL", "credentialName": "gone"}, "t.credentialName", "SecretNotFound"),
    ],
)
def test_what_cannot_be_had_lets_nothing_through(spec: dict[str, Any], path: str, code: str) -> None:
    mode, _, wrongs = read(secret(tls_crt=PEM), **spec)
    assert (mode, wrongs) == (ClientTls.REFUSE, [(path, code)])


def test_a_name_may_be_asked_for_between_pods_of_the_mesh() -> None:
    mode, found, wrongs = read(mode="ISTIO_MUTUAL", sni="x")
    assert (mode, found.server_name, wrongs) == (ClientTls.ISTIO_MUTUAL, "x", [])


def test_files_of_the_nodes_one_directory_are_named() -> None:
    files: dict[str, Any] = {
        "caCertificates": f"{DIRECTORY}r",
        "caCrl": f"{DIRECTORY}l",
        "clientCertificate": f"{DIRECTORY}c",
    }
    mode, found, _ = read(mode="MUTUAL", privateKey=f"{DIRECTORY}k", **files)
    assert mode is ClientTls.MUTUAL
    assert (found.roots_file, found.crl_file, found.certificate_file, found.key_file) == tuple(
        f"{DIRECTORY}{name}" for name in "rlck"
    )
    assert read(mode="SIMPLE", caCertificates="system")[1].roots_file == ""


def test_bytes_to_a_wildcard_need_a_name() -> None:
    wild = {"server_name": "*.example.com", "bytes_too": True}
    assert read(mode="SIMPLE", reader=wild)[2] == [("t.sni", "InvalidValue")]
    assert read(mode="SIMPLE", sni="a.example.com", reader=wild)[2] == []
    assert read(mode="SIMPLE", reader={**wild, "bytes_too": False})[2] == []


def test_mutual_shows_the_pair_of_a_secret_and_its_roots_or_those_of_the_system_count() -> None:
    whole = secret(tls_crt=PEM, tls_key=KEY, ca_crt=PEM)
    mode, found, wrongs = read(whole, mode="MUTUAL", credentialName="roots")
    assert (mode, found.roots_pem, found.certificate_file, wrongs) == (ClientTls.MUTUAL, PEM, "", [])
    assert found.certificate.startswith("shop/roots/")
    bare = read(secret(cert=PEM, key=KEY), mode="MUTUAL", credentialName="roots")
    assert (bare[0], bare[1].roots_pem, bare[1].certificate, bare[2]) == (ClientTls.MUTUAL, "", found.certificate, [])
    broken = read(secret(cert=PEM, key=KEY, cacert="x"), mode="MUTUAL", credentialName="roots")
    assert (broken[0], broken[2]) == (ClientTls.REFUSE, [("t.credentialName", "InvalidValue")])


def test_a_secret_and_files_are_not_given_together() -> None:
    mode, _, wrongs = read(secret(ca_crt=PEM), mode="SIMPLE", credentialName="roots", caCertificates=f"{DIRECTORY}r")
    assert (mode, wrongs) == (ClientTls.REFUSE, [("t.credentialName", "InvalidValue")])


def test_servers_of_the_mesh_and_of_one_domain_that_a_source_tells_of_are_met() -> None:
    for names in (["spiffe://cluster.local/ns/a/sa/b"], ["spiffe://partner.example/a", "spiffe://partner.example/b"]):
        mode, found, wrongs = read(mode="ISTIO_MUTUAL", subjectAltNames=names)
        assert (mode, found.alt_names, wrongs) == (ClientTls.ISTIO_MUTUAL, tuple(names), [])


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["spiffe://stranger.example/a"], "UntrustedDomain"),
        (["spiffe://partner.example/a", "spiffe://cluster.local/a"], "InvalidValue"),
    ],
)
def test_servers_of_a_domain_that_nobody_tells_of_or_of_several_are_not(names: list[str], code: str) -> None:
    for given in ({"subjectAltNames": names}, {"reader": {"alt_names": tuple(names)}}):
        mode, _, wrongs = read(mode="ISTIO_MUTUAL", **given)
        assert (mode, wrongs) == (ClientTls.REFUSE, [("t.subjectAltNames", code)])
