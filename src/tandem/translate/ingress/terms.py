"""servers[].tls -> which certificates a server shows and on which terms it ends TLS, with Problems by field. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, Protocol

import msgspec

from tandem.base.problems import Severity
from tandem.ir.tlsterms import ClientProof, TlsTerms, TlsVersion
from tandem.ir.trust import Domains
from tandem.model.istiogateway import ServerTls
from tandem.translate.credentials import Credentials, Roots
from tandem.translate.mesh.values import Wrong

CIPHERS: Final = frozenset(
    f"{exchange}{rest}"
    for exchange in ("ECDHE-ECDSA-", "ECDHE-RSA-", "")
    for rest in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA")
) | {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"}
"""Those that Envoy knows (BoringSSL's names)."""
VERSIONS: Final = {
    "TLSV1_0": TlsVersion.V1_0,
    "TLSV1_1": TlsVersion.V1_1,
    "TLSV1_2": TlsVersion.V1_2,
    "TLSV1_3": TlsVersion.V1_3,
}
FILES: Final = ("server_certificate", "private_key", "ca_certificates", "ca_crl", "tls_certificates")
MUTUAL: Final = frozenset({"MUTUAL", "OPTIONAL_MUTUAL"})
"""Modes in which clients are asked for a certificate."""
_OF_CLIENTS: Final = ("subject_alt_names", "verify_certificate_spki", "verify_certificate_hash")
_DIGEST: Final = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
_SHA256: Final = 32


class Terminated(msgspec.Struct, frozen=True, kw_only=True):
    """What of TLS is known of a server. Without certificates, and not of the mesh, nobody is served."""

    certificates: tuple[str, ...] = ()
    terms: TlsTerms = TlsTerms()


class Tell(Protocol):
    """Who is told of mistakes: one that is a warning changes nothing of what is served."""

    def __call__(self, path: str, code: str, text: str, severity: Severity = Severity.ERROR, /) -> None: ...  # noqa: D102


def read_terms(tls: ServerTls, credentials: Credentials, at: str, wrong: Tell, *, domains: Domains) -> Terminated:
    """The terms of a server that ends TLS; whatever is wrong is told, and must not be served then."""
    for field in (name for name in FILES if getattr(tls, name)):
        text = "a gateway has no files of its own: put it into a Secret and name that as credentialName"
        wrong(f"{at}.{camel(field)}", "UnsupportedField", text)
    if tls.mode == "ISTIO_MUTUAL":
        _nothing_beside(tls, at, wrong)
        return Terminated(terms=TlsTerms(mesh=domains))
    clients = _clients(tls, credentials, at, wrong)
    least = VERSIONS.get(tls.min_protocol_version, TlsTerms().least)
    most = VERSIONS.get(tls.max_protocol_version)
    if most is not None and most < least:
        wrong(f"{at}.maxProtocolVersion", "InvalidValue", f"it is before the least version, {least.name}")
    certificates = _certificates(tls, credentials, at, wrong)
    judged = clients is not None or tls.mode not in MUTUAL
    return Terminated(
        certificates=certificates if judged else (),
        terms=TlsTerms(least=least, most=most, ciphers=_ciphers(tls, at, wrong), clients=clients),
    )


def _ciphers(tls: ServerTls, at: str, wrong: Tell) -> tuple[str, ...]:
    """Those that are known: others are left out with a warning, as in Istio, unless nothing was left to choose from."""
    known = tuple(dict.fromkeys(cipher for cipher in tls.cipher_suites if cipher in CIPHERS))
    for i, cipher in enumerate(tls.cipher_suites):
        if cipher not in CIPHERS:
            text = f"{cipher!r} is none of {', '.join(sorted(CIPHERS))}"
            severity = Severity.WARNING if known else Severity.ERROR
            wrong(f"{at}.cipherSuites[{i}]", "UnsupportedValue", text, severity)
    return known


def camel(field: str) -> str:
    """The API's name of a field."""
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _nothing_beside(tls: ServerTls, at: str, wrong: Wrong) -> None:
    """The mesh's own certificates come with terms of their own."""
    plain = ServerTls(mode=tls.mode)
    for field in tls.__struct_fields__:
        if field != "https_redirect" and field not in FILES and getattr(tls, field) != getattr(plain, field):
            wrong(f"{at}.{camel(field)}", "InvalidValue", "it has no place beside the mode ISTIO_MUTUAL")


def _certificates(tls: ServerTls, credentials: Credentials, at: str, wrong: Wrong) -> tuple[str, ...]:
    asked = {f"{at}.credentialNames[{i}]": name for i, name in enumerate(tls.credential_names)}
    if tls.credential_name:
        asked = {f"{at}.credentialName": tls.credential_name}
    found: list[str] = []
    for path, name in asked.items():
        certificate, mistake = credentials.pair(name)
        if mistake:
            wrong(path, "InvalidCertificateRef", f"{mistake}: nobody is served")
        else:
            found.append(certificate)
    return tuple(dict.fromkeys(found)) if len(found) == len(asked) else ()


def _clients(tls: ServerTls, credentials: Credentials, at: str, wrong: Wrong) -> ClientProof | None:
    """What is asked of clients; of MUTUAL without authorities nothing, and that is told."""
    if tls.mode not in MUTUAL:
        for field in (name for name in (*_OF_CLIENTS, "ca_cert_credential_name") if getattr(tls, name)):
            text = f"in the mode {tls.mode} no client is asked for a certificate: use MUTUAL"
            wrong(f"{at}.{camel(field)}", "InvalidValue", text)
        return None
    roots = _roots(tls, credentials, at, wrong)
    if roots is None:
        return None
    return ClientProof(
        required=tls.mode == "MUTUAL",
        roots_pem=roots.roots_pem,
        crl_pem=roots.crl_pem,
        names=tls.subject_alt_names,
        spki=_spki(tls.verify_certificate_spki, f"{at}.verifyCertificateSpki", wrong),
        hashes=_hashes(tls.verify_certificate_hash, f"{at}.verifyCertificateHash", wrong),
    )


def _roots(tls: ServerTls, credentials: Credentials, at: str, wrong: Wrong) -> Roots | None:
    if tls.ca_cert_credential_name:
        path, (found, mistake) = "caCertCredentialName", credentials.authorities(tls.ca_cert_credential_name)
    elif tls.credential_name or tls.credential_names:
        single = bool(tls.credential_name)
        path = "credentialName" if single else "credentialNames[0]"
        found, mistake = credentials.roots(tls.credential_name if single else tls.credential_names[0])
    else:
        path, found, mistake = "credentialName", None, "it is needed for the authorities of clients"
    if mistake:
        wrong(f"{at}.{path}", "InvalidCertificateRef", f"{mistake}: no client can be believed, and nobody is served")
    return found


def _spki(values: tuple[str, ...], at: str, wrong: Wrong) -> tuple[str, ...]:
    for i, value in enumerate(values):
        try:
            sound = len(base64.b64decode(value, validate=True)) == _SHA256
        except (binascii.Error, ValueError):
            sound = False
        if not sound:
            wrong(f"{at}[{i}]", "InvalidValue", f"{value!r} is no SHA-256 in base64")
    return values


def _hashes(values: tuple[str, ...], at: str, wrong: Wrong) -> tuple[str, ...]:
    for i, value in enumerate(values):
        if _DIGEST.fullmatch(value) is None:
            wrong(f"{at}[{i}]", "InvalidValue", f"{value!r} is no SHA-256 in hexadecimal digits")
    return values
