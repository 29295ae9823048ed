"""PeerAuthentication, RequestAuthentication and AuthorizationPolicy beyond the form of single fields. Pure.

As istiod's admission judges them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from tandem.base.jwks import is_key_set
from tandem.model.schemas.istioforms import block_fault, each, header_fault
from tandem.model.schemas.rules_kubernetes import Rule, repeated

DRY_RUN: Final = "istio.io/dry-run"
TRUTHS: Final = frozenset({"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"})
"""What Go reads as a truth value."""
TARGETS: Final = (
    ("", "Service"),
    ("core", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
)
WHEN_KEY: Final = re.compile(
    r"(source\.(ip|namespace|principal|serviceAccount|trustDomain)|remote\.ip|destination\.(ip|port)|connection\.sni"
    r"|request\.auth\.(principal|audiences|presenter)|request\.auth\.claims(\[[^\[\]]+\])+|request\.headers\[[^\[\]]+\]"
    r"|experimental\.envoy\.filters\..+\[.+\])"
)
ADDRESSED: Final = ("ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks")
MOST_ACCOUNTS: Final = 16
_NARROW: Final = re.compile(r"[-_A-Za-z0-9]+")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~%!$&'()+,;:@=-]+")


def _policy(raw: dict[str, Any], _: str) -> Iterator[str]:
    value = ((raw.get("metadata") or {}).get("annotations") or {}).get(DRY_RUN)
    at, action = f"metadata.annotations[{DRY_RUN}]", (raw.get("spec") or {}).get("action") or "ALLOW"
    if value is not None and action not in {"ALLOW", "DENY"}:
        yield f"{at}: is for the actions ALLOW and DENY, not for {action}"
    elif value is not None and value not in TRUTHS:
        yield f"{at}: {value!r} is neither true nor false"


def _never_dry(raw: dict[str, Any], _: str) -> Iterator[str]:
    if DRY_RUN in ((raw.get("metadata") or {}).get("annotations") or {}):
        yield f"metadata.annotations[{DRY_RUN}]: is for AuthorizationPolicies alone"


def _peer_authentication(raw: dict[str, Any], at: str) -> Iterator[str]:
    ports = raw.get("portLevelMtls")
    if ports == {}:
        yield f"{at}.portLevelMtls: names no port"
    if ports and not (raw.get("selector") or {}).get("matchLabels"):
        yield f"{at}.portLevelMtls: needs a selector with matchLabels"
    for key in ports or {}:
        if not (key.isascii() and key.isdigit() and 1 <= int(key) <= 65535):
            yield f"{at}.portLevelMtls[{key}]: {key!r} is not a port number between 1 and 65535"


def _target(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["name"]:
        yield f"{at}.name: must not be empty"
    if raw.get("namespace"):
        yield f"{at}.namespace: objects of other namespaces are not referred to"
    if (raw.get("group") or "", raw["kind"]) not in TARGETS:
        known = ", ".join(f"{group}/{kind}" if group else kind for group, kind in TARGETS if group != "core")
        yield f"{at}.kind: {raw.get('group') or ''}/{raw['kind']} is none of {known}"


def _authorization(raw: dict[str, Any], at: str) -> Iterator[str]:
    action, provider = raw.get("action") or "ALLOW", (raw.get("provider") or {}).get("name")
    if action == "CUSTOM" and not provider:
        yield f"{at}.provider.name: is required for the action CUSTOM"
    if action != "CUSTOM" and "provider" in raw:
        yield f"{at}.provider: belongs to the action CUSTOM"
    if action in {"CUSTOM", "DENY"} and not raw.get("rules"):
        yield f"{at}.rules: are required for the action {action}"
    yield from _attached_once(raw, at)


def _attached_once(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [k for k in ("selector", "targetRef", "targetRefs") if raw.get(k) is not None and raw[k] != []]
    if len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"


def _rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("from", "to"):
        if raw.get(name) == []:
            yield f"{at}.{name}: names nobody" if name == "from" else f"{at}.{name}: names nothing"


def _from(raw: dict[str, Any], at: str) -> Iterator[str]:
    source = raw.get("source") or {}
    if not any(source.values()):
        yield f"{at}.source: is required, with at least one field"
        return
    if source.get("serviceAccounts") or source.get("notServiceAccounts"):
        for other in ("principals", "notPrincipals", "namespaces", "notNamespaces"):
            if source.get(other):
                yield f"{at}.source.{other}: may not be given together with service accounts"


def _to(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not any((raw.get("operation") or {}).values()):
        yield f"{at}.operation: is required, with at least one field"


def _when(raw: dict[str, Any], at: str) -> Iterator[str]:
    key = raw["key"]
    if WHEN_KEY.fullmatch(key) is None:
        yield f"{at}.key: {key!r} is no attribute that a condition can name"
    if not raw.get("values") and not raw.get("notValues"):
        yield f"{at}: needs values or notValues"
    for field in ("values", "notValues"):
        if key == "source.serviceAccount":
            yield from _accounts(raw.get(field), f"{at}.{field}")
        else:
            yield from each(raw.get(field), f"{at}.{field}", _VALUES.get(key, _empty))


def _source(raw: dict[str, Any], at: str) -> Iterator[str]:
    for field, values in raw.items():
        where = f"{at}.{field}"
        if field in ADDRESSED:
            yield from each(values, where, block_fault)
        elif field in {"serviceAccounts", "notServiceAccounts"}:
            yield from _accounts(values, where)
        else:
            yield from each(values, where, _domain if field in {"trustDomains", "notTrustDomains"} else _empty)


def _accounts(values: list[str] | None, at: str) -> Iterator[str]:
    if len(values or ()) > MOST_ACCOUNTS:
        yield f"{at}: has more than {MOST_ACCOUNTS}"
    yield from each(values, at, _account)


def _account(text: str) -> str | None:
    parts = text.split("/")
    if "*" in text or not all(parts) or len(parts) > 2 or len(text) > 320:
        return f"{text!r} is neither NAME nor NAMESPACE/NAME of a service account"
    return None


def _domain(text: str) -> str | None:
    return f"{text!r} is not a trust domain" if "/" in text else _pattern(text)


def _pattern(text: str) -> str | None:
    """At most one `*`, at one of the ends."""
    if text.count("*") > 1 or "*" in text[1:-1]:
        return f"{text!r} has a * that is neither its first nor its last letter"
    return _empty(text)


def _empty(text: str) -> str | None:
    return None if text else "must not be empty"


def _port(text: str) -> str | None:
    fits = text.isascii() and text.isdigit() and int(text) < 65536
    return None if fits else f"{text!r} is not a port number"


_VALUES: Final = {
    "source.ip": block_fault,
    "remote.ip": block_fault,
    "destination.ip": block_fault,
    "destination.port": _port,
    "source.trustDomain": _pattern,
}


def _operation(raw: dict[str, Any], at: str) -> Iterator[str]:
    for field, values in raw.items():
        fault = {"ports": _port, "notPorts": _port, "paths": _path, "notPaths": _path}.get(field, _empty)
        yield from each(values, f"{at}.{field}", fault)


def _path(text: str) -> str | None:
    """`{*}` is one segment, `{**}` as its last one any number; then no other `*` is taken."""
    segments = text.strip("/").split("/")
    template = "{*}" in text or "{**}" in text
    for i, segment in enumerate(segments):
        if segment in {"{*}", "{**}"}:
            if "{**}" in segments[:i]:
                return f"{text!r}: {{**}} must be the last of {{*}} and {{**}}"
        elif set("{}") & set(segment) or (template and _SEGMENT.fullmatch(segment) is None):
            return f"{text!r}: beside {{*}} and {{**}} segments are plain text"
    return _empty(text)


def _jwt_rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("issuer") and not raw.get("jwksUri"):
        yield f"{at}.issuer: is required without jwksUri"
    for field in ("audiences", "fromParams", "fromCookies", "spaceDelimitedClaims"):
        yield from each(raw.get(field), f"{at}.{field}", _empty)
    yield from _jwt_keys(raw, at)
    yield from _jwt_headers(raw, at)


def _jwt_keys(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("jwks") and raw.get("jwksUri"):
        yield f"{at}.jwksUri: may not be given together with jwks"
    if not _is_url(raw.get("jwksUri") or "http://unset"):
        yield f"{at}.jwksUri: {raw['jwksUri']!r} is not a URL of http or https"
    if raw.get("jwks") and not is_key_set(raw["jwks"]):
        yield f"{at}.jwks: is not a JSON Web Key Set (RFC 7517): an object with keys"


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number
        return False


def _jwt_headers(raw: dict[str, Any], at: str) -> Iterator[str]:
    headers = {f"{at}.outputPayloadToHeader": raw.get("outputPayloadToHeader") or "x"}
    for i, place in enumerate(raw.get("fromHeaders") or []):
        headers[f"{at}.fromHeaders[{i}].name"] = place["name"]
    claims = raw.get("outputClaimToHeaders") or []
    for i, claim in enumerate(claims):
        if _NARROW.fullmatch(claim["header"]) is None:
            text = f"{claim['header']!r} is not letters, digits, '-' and '_'"
            yield f"{at}.outputClaimToHeaders[{i}].header: {text}"
        if not claim["claim"]:
            yield f"{at}.outputClaimToHeaders[{i}].claim: must not be empty"
    yield from (f"{where}: {wrong}" for where, name in headers.items() if (wrong := header_fault(name)))
    yield from repeated((f"{at}.outputClaimToHeaders[{i}].header", c["header"].lower()) for i, c in enumerate(claims))


RULES: Final[dict[str, Rule]] = {
    "PeerAuthentication": _never_dry,
    "PaSpec": _peer_authentication,
    "RequestAuthentication": _never_dry,
    "RaSpec": _attached_once,
    "RaJwtRule": _jwt_rule,
    "IstioTargetRef": _target,
    "AuthorizationPolicy": _policy,
    "AzSpec": _authorization,
    "AzRule": _rule,
    "AzFrom": _from,
    "AzTo": _to,
    "AzWhen": _when,
    "AzSource": _source,
    "AzOperation": _operation,
}
