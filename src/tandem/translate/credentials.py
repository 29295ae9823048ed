"""credentialName of a server or a host -> the certificate that is shown, and whom the other side is signed by. Pure.

Istio's forms of Secrets: `tls.crt` and `tls.key`, or `cert` and `key`; authorities as `ca.crt` or `cacert` in the same
Secret, or in one whose name ends with `-cacert`. Those of a Gateway stand in the namespace of the gateway, which is the
root one, or, where there is none of the name, beside the Gateway; those of a DestinationRule beside the rule.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

import msgspec
from cryptography import x509

from tandem.model import core
from tandem.model.world import Key, World
from tandem.translate.pairs import GENERIC, TLS, named_pair

PREFIX: Final = "kubernetes://"
SUFFIX: Final = "-cacert"
ROOTS: Final = ("ca.crt", "cacert")
REVOKED: Final = ("ca.crl", "crl")


class Roots(msgspec.Struct, frozen=True, kw_only=True):
    """Authorities and what they revoked, in PEM."""

    roots_pem: str
    crl_pem: str = ""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Looks up the Secrets of one object: in these namespaces, the first that has one of the name."""

    world: World
    namespaces: tuple[str, ...]

    def pair(self, asked: str) -> tuple[str, str]:
        """Name of the certificate, and why there is none; one of both is empty."""
        name = _plain(asked)
        if not name:
            return "", f"{asked!r} is no name of a Secret"
        key = self._find(name)
        if key is None:
            return "", f"no Secret {name} in namespace {' or '.join(self.namespaces)}"
        return named_pair(self.world, key, (TLS, GENERIC))

    def roots(self, asked: str) -> tuple[Roots | None, str]:
        """The authorities that go with a certificate, or why there are none."""
        name = _plain(asked)
        key = self._find(f"{name}{SUFFIX}") or self._find(name)
        if key is not None:
            return self._in_secret(key)
        return None, f"no Secret {name}{SUFFIX} or {name} in namespace {' or '.join(self.namespaces)}"

    def has_roots(self, asked: str) -> bool:
        """Whether authorities go with a certificate, usable or not."""
        name = _plain(asked)
        keys = (self._find(f"{name}{SUFFIX}"), self._find(name))
        found = (self.world.get(core.Secret, *key) for key in keys if key is not None)
        return any(secret is not None and any(field in secret.data for field in ROOTS) for secret in found)

    def authorities(self, asked: str) -> tuple[Roots | None, str]:
        """Those of a Secret or ConfigMap of their own."""
        name = _plain(asked)
        key = self._find(name)
        if key is not None:
            return self._in_secret(key)
        for namespace in self.namespaces:
            config = self.world.get(core.ConfigMap, namespace, name)
            if config is not None:
                data = {k: base64.b64encode(v.encode()).decode() for k, v in config.data.items()}
                return _read(data, f"ConfigMap {namespace}/{name}")
        return None, f"no Secret or ConfigMap {name} in namespace {' or '.join(self.namespaces)}"

    def _in_secret(self, key: Key) -> tuple[Roots | None, str]:
        secret = self.world.get(core.Secret, *key)
        return _read(secret.data if secret is not None else {}, f"Secret {key[0]}/{key[1]}")

    def _find(self, name: str) -> Key | None:
        found = (namespace for namespace in self.namespaces if self.world.get(core.Secret, namespace, name))
        namespace = next(found, None)
        return (namespace, name) if namespace is not None else None


def _plain(asked: str) -> str:
    """Without the scheme that says where Istio looks; empty for other places."""
    name = asked.removeprefix(PREFIX)
    return "" if ":" in name or "/" in name else name


def _read(data: Mapping[str, str], where: str) -> tuple[Roots | None, str]:
    field = next((name for name in ROOTS if name in data), None)
    if field is None:
        return None, f"{where} has no {' and no '.join(ROOTS)}"
    try:
        roots = base64.b64decode(data[field], validate=True)
        x509.load_pem_x509_certificates(roots)
        revoked = next((base64.b64decode(data[name], validate=True) for name in REVOKED if data.get(name)), b"")
        if revoked:
            x509.load_pem_x509_crl(revoked)
        return Roots(roots_pem=roots.decode("ascii"), crl_pem=revoked.decode("ascii")), ""
    except (binascii.Error, ValueError):
        return None, f"{where}: {field} is no certificate in PEM, or the list of revoked ones no list"
