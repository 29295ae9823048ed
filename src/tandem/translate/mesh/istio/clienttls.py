"""trafficPolicy.tls of a DestinationRule -> how clients reach a host, with Problems at the exact field. Pure.

Roots and keys come from a Secret of the rule's namespace, in Istio's forms, or from files of the node; without roots
those of the node's system count. Files are those of one directory of each node: whoever may write a rule names none of
the node's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from tandem.ir.traffic import ClientTls, Origination
from tandem.ir.trust import Domains, domains_in
from tandem.model.istio import ClientTlsSettings
from tandem.model.world import World
from tandem.translate.credentials import Credentials
from tandem.translate.mesh.values import Wrong

DIRECTORY: Final = "/etc/tandem/tls/"
"""Of each node: where files that rules name must be."""
_MODES: Final = {mode.value: mode for mode in ClientTls if mode not in {ClientTls.AUTO, ClientTls.REFUSE}}
_INSTEAD: Final = {
    "client_certificate": "clientCertificate",
    "private_key": "privateKey",
    "ca_certificates": "caCertificates",
    "ca_crl": "caCrl",
}
"""What is in a Secret, where one is named."""


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
    domains: Domains
    """Whose identities count in the mesh."""
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
        found = Origination()
        if mode is ClientTls.ISTIO_MUTUAL:
            found = Origination(server_name=spec.sni, alt_names=alt_names)
        if mode in {ClientTls.SIMPLE, ClientTls.MUTUAL}:
            found = msgspec.structs.replace(
                found,
                server_name=spec.sni or self.server_name,
                alt_names=alt_names,
                unverified=spec.insecure_skip_verify,
                roots_file="" if spec.ca_certificates == "system" else spec.ca_certificates,
                crl_file=spec.ca_crl,
                certificate_file=spec.client_certificate if mode is ClientTls.MUTUAL else "",
                key_file=spec.private_key if mode is ClientTls.MUTUAL else "",
            )
            if spec.credential_name:
                found = self._credential(found, spec, at, mistakes)
            _files(spec, at, mistakes)
            if self.bytes_too and "*" in found.server_name and not (alt_names or spec.insecure_skip_verify):
                text = "by which name is a wildcard called that has ports of bytes? Name it, or subjectAltNames"
                mistakes.report(f"{at}.sni", "InvalidValue", text)
        if mode is ClientTls.MUTUAL and not spec.credential_name and not (spec.client_certificate and spec.private_key):
            text = "name clientCertificate and privateKey"
            mistakes.report(f"{at}.clientCertificate", "InvalidValue", text)
        if mode is ClientTls.ISTIO_MUTUAL:
            self._trusted(alt_names, at, mistakes)
        return (ClientTls.REFUSE if mistakes.found else mode), found

    def _credential(self, found: Origination, spec: ClientTlsSettings, at: str, mistakes: _Mistakes) -> Origination:
        """With what the Secret says; of MUTUAL its roots may be missing."""
        where, mutual = f"{at}.credentialName", spec.mode == ClientTls.MUTUAL.value
        for name in (name for name in _INSTEAD if getattr(spec, name)):
            mistakes.report(
                where, "InvalidValue", f"give it or {_INSTEAD[name]}, not both: nothing is sent to the host"
            )
        known = Credentials(world=self.world, namespaces=(self.namespace,))
        roots, missing = known.roots(spec.credential_name)
        certificate, wrong = known.pair(spec.credential_name) if mutual else ("", "")
        # A pair without roots: the node's system says whom to believe.
        needed = not mutual or known.has_roots(spec.credential_name)
        for text in filter(None, (wrong, missing if needed else "")):
            if text.startswith("no Secret"):
                mistakes.report(where, "SecretNotFound", f"{text}: nothing is sent to the host")
            else:
                mistakes.report(where, "InvalidValue", f"{text}: nothing is sent to the host")
        return msgspec.structs.replace(
            found,
            certificate=certificate,
            roots_pem=roots.roots_pem if roots is not None else "",
            crl_pem=roots.crl_pem if roots is not None else "",
        )

    def _trusted(self, names: Iterable[str], at: str, mistakes: _Mistakes) -> None:
        """Servers are of one trust domain, and somebody tells who signs for it."""
        found, where = sorted(domains_in(names)), f"{at}.subjectAltNames"
        if len(found) > 1:
            mistakes.report(where, "InvalidValue", f"names of {' and '.join(found)}: they must be of one trust domain")
        elif found and found[0] not in {self.domains.own, *self.domains.foreign}:
            mistakes.report(where, "UntrustedDomain", f"no TrustSource tells who signs for {found[0]}")


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
