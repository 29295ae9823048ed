"""certificateRefs of listeners -> names of certificates (`translate/pairs.py`), with Problems. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Problem
from tandem.model.gateways import GROUP, Gateway, Listener, SecretReference
from tandem.model.world import World
from tandem.translate.gateway.edge import Holder
from tandem.translate.grants import Referrer, Target, permitted
from tandem.translate.pairs import named_pair

CLIENT_CERTIFICATE: Final = "spec.tls.backend.clientCertificateRef"
Wrong = tuple[str, str]
"""Code and text."""


_NO_LISTENER: Final = "no certificate is named, and without one no client can be answered"


def certificates_of(world: World, holder: Holder, listener: Listener) -> tuple[tuple[str, ...], dict[str, Wrong]]:
    """Names of the certificates that can be used, and by path within the listener what is wrong with others."""
    refs = listener.tls.certificate_refs if listener.tls is not None else ()
    if not refs:
        return (), {"tls.certificateRefs": ("InvalidCertificateRef", _NO_LISTENER)}
    names: list[str] = []
    wrong: dict[str, Wrong] = {}
    for i, ref in enumerate(refs):
        found = _name(world, holder, ref)
        if isinstance(found, str):
            names.append(found)
        else:
            wrong[f"tls.certificateRefs[{i}]"] = found
    return tuple(dict.fromkeys(names)), wrong


def client_certificate(world: World, gateway: Gateway) -> tuple[str | None, tuple[Problem, ...]]:
    """The certificate that backends are shown: empty if none is asked for, None if it cannot be used."""
    ref = gateway.spec.tls.backend.client_certificate_ref
    if ref is None:
        return "", ()
    found = _name(world, gateway, ref)
    if isinstance(found, str):
        return found, ()
    at, text = gateway.origin(CLIENT_CERTIFICATE), f"{found[1]}: nothing is sent to backends that speak TLS"
    if found[0] == "RefNotPermitted":
        return None, (Problem(at=at, code="RefNotPermitted", text=text),)
    return None, (Problem(at=at, code="InvalidClientCertificateRef", text=text),)


def _name(world: World, holder: Holder, ref: SecretReference) -> str | Wrong:
    if (ref.group, ref.kind) != ("", "Secret"):
        kind = f"{ref.group}/{ref.kind}" if ref.group else ref.kind
        return "InvalidCertificateRef", f"certificates of kind {kind} are not supported, only Secret"
    home = holder.metadata.namespace
    key = ref.namespace or home, ref.name
    who = Referrer(group=GROUP, kind=holder.kind, namespace=home)
    if not permitted(world, who, Target(kind="Secret", namespace=key[0], name=key[1])):
        text = f"Secret {key[0]}/{key[1]} is in another namespace and no ReferenceGrant there allows it"
        return "RefNotPermitted", text
    name, wrong = named_pair(world, key)
    return name or ("InvalidCertificateRef", wrong)
