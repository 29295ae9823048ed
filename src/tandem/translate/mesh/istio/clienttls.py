"""trafficPolicy.tls of a DestinationRule -> how clients reach a host, with Problems at the exact field. Pure.

Roots come from a Secret of the rule's namespace (`ca.crt` or `cacert`), from a file of the node, or from the node's
system. Files are those of one directory of each node: whoever may write a rule names none of the node's own.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from tandem.ir.traffic import ClientTls, Origination
from tandem.model.core import Secret
from tandem.model.istio import ClientTlsSettings
from tandem.model.world import World
from tandem.translate.mesh.values import Wrong

DIRECTORY: Final = "/etc/tandem/tls/"
"""Of each node: where files that rules name must be."""
_MODES: Final = {mode.value: mode for mode in ClientTls if mode not in {ClientTls.AUTO, ClientTls.REFUSE}}
_ROOTS: Final = ("ca.crt", "cacert")


class _Mistakes:
    """Tells them, and knows whether there was one."""

    def __init__(self, wrong: Wrong) -> None:
        self._tell = wrong
        self.found = False

    def report(self, path: str, code: str, text: str) -> None:
        """One more."""
        self.found = True
        self._tell(path, code, text)


class TlsReader(msgspec.Struct, frozen=True, kw_only=True):
    """Reads the settings of rules in one namespace about one host."""

    world: World
    namespace: str
    server_name: str
    """What clients call the host; may begin with `*.`."""
    alt_names: tuple[str, ...] = ()
    """Where the rule names none."""
    bytes_too: bool = False
    """Some port is not HTTP, so that nothing says by which name a wildcard is meant."""

    def read(self, spec: ClientTlsSettings, at: str, wrong: Wrong) -> tuple[ClientTls, Origination]:
        """The mode and what belongs to it; REFUSE where something is wrong."""
        mistakes = _Mistakes(wrong)
        mode = _MODES.get(spec.mode, ClientTls.REFUSE) if spec.mode else ClientTls.AUTO
        alt_names = spec.subject_alt_names or self.alt_names
        found = Origination(alt_names=alt_names if mode is ClientTls.ISTIO_MUTUAL else ())
        if mode in {ClientTls.SIMPLE, ClientTls.MUTUAL}:
            found = msgspec.structs.replace(
                found,
                server_name=spec.sni or self.server_name,
                alt_names=alt_names,
                unverified=spec.insecure_skip_verify,
                roots_pem=self._roots(spec, at, mistakes),
                roots_file="" if spec.ca_certificates == "system" else spec.ca_certificates,
                crl_file=spec.ca_crl,
                certificate_file=spec.client_certificate if mode is ClientTls.MUTUAL else "",
                key_file=spec.private_key if mode is ClientTls.MUTUAL else "",
            )
            _files(spec, at, mistakes)
            if self.bytes_too and "*" in found.server_name and not (alt_names or spec.insecure_skip_verify):
                text = "by which name is a wildcard called that has ports of bytes? Name it, or subjectAltNames"
                mistakes.report(f"{at}.sni", "InvalidValue", text)
        if mode is ClientTls.MUTUAL and not spec.credential_name and not (spec.client_certificate and spec.private_key):
            text = "name clientCertificate and privateKey"
            mistakes.report(f"{at}.clientCertificate", "InvalidValue", text)
        if mode is ClientTls.ISTIO_MUTUAL and spec.sni:
            mistakes.report(f"{at}.sni", "UnsupportedField", "between pods of the mesh no name is asked for")
        if mode is ClientTls.MUTUAL and spec.credential_name:
            text = "keys out of Secrets are not supported for hosts: name files of the nodes"
            mistakes.report(f"{at}.credentialName", "UnsupportedField", text)
        return (ClientTls.REFUSE if mistakes.found else mode), found

    def _roots(self, spec: ClientTlsSettings, at: str, mistakes: _Mistakes) -> str:
        if not spec.credential_name or spec.mode == ClientTls.MUTUAL.value:
            return ""
        where, name = f"{at}.credentialName", spec.credential_name
        secret = self.world.get(Secret, self.namespace, name)
        if secret is None:
            mistakes.report(where, "SecretNotFound", f"no Secret {self.namespace}/{name}: nothing is sent to the host")
            return ""
        data = next((secret.data[key] for key in _ROOTS if key in secret.data), "")
        text = _decoded(data)
        if "-----BEGIN CERTIFICATE-----" not in text:
            keys = " nor ".join(_ROOTS)
            text, said = "", f"Secret {self.namespace}/{name} has neither {keys} with a certificate: nothing is sent"
            mistakes.report(where, "InvalidValue", said)
        return text


def _files(spec: ClientTlsSettings, at: str, mistakes: _Mistakes) -> None:
    named = {
        "caCertificates": "" if spec.ca_certificates == "system" else spec.ca_certificates,
        "caCrl": spec.ca_crl,
        "clientCertificate": spec.client_certificate,
        "privateKey": spec.private_key,
    }
    for name, path in named.items():
        if path and (not path.startswith(DIRECTORY) or ".." in path.split("/")):
            text = f"{path!r}: a file of the nodes below {DIRECTORY} is asked for"
            mistakes.report(f"{at}.{name}", "UnsupportedValue", text)


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
