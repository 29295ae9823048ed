"""BackendTLSPolicies and spec.tls of Gateways beyond the form of single fields: the rules of the CRDs (v1). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tandem.base.addresses import is_address
from tandem.model.schemas.rules_kubernetes import Rule, repeated
from tandem.model.schemas.syntax import SUBDOMAIN

_URI: Final = re.compile(r"[^:/?#]+://[^/?#]*[^?#]*(\?[^#]*)?(#.*)?")
_WELL_KNOWN: Final = re.compile(rf"System|({SUBDOMAIN.pattern})/([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]")
_LONGEST: Final = 253


def _at_most(raw: dict[str, Any], at: str, field: str, limit: int) -> Iterator[str]:
    if len(raw.get(field) or []) > limit:
        yield f"{at}.{field}: at most {limit} entries, not {len(raw[field])}"


def _policy(raw: dict[str, Any], at: str) -> Iterator[str]:
    refs = raw["targetRefs"]
    if not refs:
        yield f"{at}.targetRefs: at least one entry is required"
    yield from _at_most(raw, at, "targetRefs", 16)
    yield from _at_most(raw, at, "options", 16)
    whole = {_target(ref) for ref in refs if not ref.get("sectionName")}
    for i, ref in enumerate(refs):
        if ref.get("sectionName") and _target(ref) in whole:
            yield f"{at}.targetRefs[{i}]: the target is named as a whole too: every entry of it needs a sectionName"
    named = ((f"{at}.targetRefs[{i}]", (*_target(r), r.get("sectionName") or "")) for i, r in enumerate(refs))
    yield from repeated(named)


def _target(ref: dict[str, Any]) -> tuple[str, str, str]:
    return ref["group"], ref["kind"], ref["name"]


def _validation(raw: dict[str, Any], at: str) -> Iterator[str]:
    known = raw.get("wellKnownCACertificates")
    if raw.get("caCertificateRefs") and known:
        yield f"{at}.wellKnownCACertificates: may not be given together with caCertificateRefs"
    if not raw.get("caCertificateRefs") and not known:
        yield f"{at}.caCertificateRefs: is required where wellKnownCACertificates is not given"
    if known and (len(known) > _LONGEST or _WELL_KNOWN.fullmatch(known) is None):
        yield f"{at}.wellKnownCACertificates: {known!r} is neither System nor a name below a domain"
    if not raw["hostname"]:
        yield f"{at}.hostname: must not be empty"
    elif is_address(raw["hostname"]):
        yield f"{at}.hostname: {raw['hostname']} is an address, not a host name"
    yield from _at_most(raw, at, "caCertificateRefs", 8)
    yield from _at_most(raw, at, "subjectAltNames", 5)


def _alt_name(raw: dict[str, Any], at: str) -> Iterator[str]:
    wanted = "hostname" if raw["type"] == "Hostname" else "uri"
    for field in ("hostname", "uri"):
        if field == wanted and not raw.get(field):
            yield f"{at}.{field}: is required for the type {raw['type']}"
        if field != wanted and raw.get(field):
            yield f"{at}.{field}: does not belong to the type {raw['type']}"
    uri = raw.get("uri")
    if uri and (len(uri) > _LONGEST or _URI.fullmatch(uri) is None):
        yield f"{at}.uri: {uri!r} is no URI with a scheme and an authority"


def _frontend(raw: dict[str, Any], at: str) -> Iterator[str]:
    ports = raw.get("perPort") or []
    yield from _at_most(raw, at, "perPort", 64)
    yield from repeated((f"{at}.perPort[{i}].port", one["port"]) for i, one in enumerate(ports))


def _client_validation(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["caCertificateRefs"]:
        yield f"{at}.caCertificateRefs: at least one entry is required"
    yield from _at_most(raw, at, "caCertificateRefs", 16)


RULES: Final[dict[str, Rule]] = {
    "GwBackendTlsSpec": _policy,
    "GwBackendValidation": _validation,
    "GwSubjectAltName": _alt_name,
    "GwFrontendTls": _frontend,
    "GwClientValidation": _client_validation,
}
