"""Istio kinds beyond the form of single fields, as istiod's admission judges them. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from tandem.base.jwks import is_key_set
from tandem.model.schemas.rules_kubernetes import Rule, repeated
from tandem.model.schemas.syntax import LABEL

ACTIONS: Final = ("route", "redirect", "directResponse", "delegate")
ADDRESSED: Final = frozenset({"ipBlocks", "notIpBlocks", "remoteIpBlocks", "notRemoteIpBlocks"})
WHEN_KEY: Final = re.compile(
    r"(source\.(ip|namespace|principal|serviceAccount)|remote\.ip|destination\.(ip|port)|connection\.sni"
    r"|request\.auth\.(principal|audiences|presenter)|request\.auth\.claims(\[[^\[\]]+\])+|request\.headers\[[^\[\]]+\]"
    r"|experimental\.envoy\.filters\..+)"
)
HASH_KEYS: Final = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")


def _virtual_service(raw: dict[str, Any], at: str) -> Iterator[str]:
    hosts = raw.get("hosts") or []
    # Without hosts it is a delegate: others leave routes to it.
    if not hosts and (raw.get("tls") or raw.get("tcp") or not raw.get("http")):
        yield f"{at}.hosts: at least one host is required"
    yield from _hosts(hosts, f"{at}.hosts")
    if not any(raw.get(k) for k in ("http", "tls", "tcp")):
        yield f"{at}: needs http, tls or tcp"


def _hosts(hosts: list[str], at: str) -> Iterator[str]:
    yield from repeated((f"{at}[{i}]", h) for i, h in enumerate(hosts))
    for i, host in enumerate(hosts):
        if not host or host != host.strip() or "*" in host[1:]:
            yield f"{at}[{i}]: {host!r} is not a host name"


def _http(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [a for a in ACTIONS if raw.get(a)]
    if not given:
        yield f"{at}: needs one of {', '.join(ACTIONS)}"
    elif len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"
    if "redirect" in given and "rewrite" in raw:
        yield f"{at}.rewrite: may not be given together with redirect"
    if "mirror" in raw and raw.get("mirrors"):
        yield f"{at}.mirrors: may not be given together with mirror"
    yield from _weights(raw, at)
    yield from repeated((f"{at}.match[{i}].name", m.get("name")) for i, m in enumerate(raw.get("match") or []))


def _weights(raw: dict[str, Any], at: str) -> Iterator[str]:
    weights = [d.get("weight") or 0 for d in raw.get("route") or []]
    for i, weight in enumerate(weights):
        if weight < 0:
            yield f"{at}.route[{i}].weight: must not be negative"
    # Weights are relative ("weight/(sum of all weights)"), so any positive sum will do.
    if len(weights) > 1 and sum(weights) == 0:
        yield f"{at}.route: the weights of several destinations must not all be 0"


def _layer4(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("route"):
        yield f"{at}.route: is required"
    yield from _weights(raw, at)


def _string_match(raw: dict[str, Any], at: str) -> Iterator[str]:
    if len(raw) > 1:
        yield f"{at}: has more than one of {', '.join(raw)}"


def _match(raw: dict[str, Any], at: str) -> Iterator[str]:
    for field in ("uri", "scheme", "method", "authority"):
        if raw.get(field) == {}:
            yield f"{at}.{field}: needs one of exact, prefix, regex"
    for field in ("headers", "withoutHeaders", "queryParams"):
        if "" in (raw.get(field) or {}):
            yield f"{at}.{field}: a name must not be empty"
    if raw.get("port", 1) == 0 or raw.get("port", 1) > 65535:
        yield f"{at}.port: {raw['port']} is not between 1 and 65535"


def _direct_response(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 200 <= raw["status"] <= 599:
        yield f"{at}.status: {raw['status']} is not between 200 and 599"
    if len(raw.get("body") or {}) > 1:
        yield f"{at}.body: has more than one of string, bytes"


def _redirect(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("redirectCode", 301) not in {0, 301, 302, 303, 307, 308}:
        yield f"{at}.redirectCode: {raw['redirectCode']} is not one of 301, 302, 303, 307, 308"
    if "port" in raw and "derivePort" in raw:
        yield f"{at}.derivePort: may not be given together with port"
    if "uri" in raw and "prefixRewrite" in raw:
        yield f"{at}.prefixRewrite: may not be given together with uri"


def _abort(raw: dict[str, Any], at: str) -> Iterator[str]:
    kinds = [k for k in ("httpStatus", "grpcStatus", "http2Error") if k in raw]
    if len(kinds) != 1:
        yield f"{at}: needs exactly one of httpStatus, grpcStatus"
    if not 200 <= raw.get("httpStatus", 200) <= 599:
        yield f"{at}.httpStatus: {raw['httpStatus']} is not between 200 and 599"


def _delay(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "fixedDelay" not in raw and "exponentialDelay" not in raw:
        yield f"{at}.fixedDelay: is required"


def _percent(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("value", 0) <= 100:
        yield f"{at}.value: {raw['value']} is not between 0 and 100"


def _destination_rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["host"]:
        yield f"{at}.host: must not be empty"
    subsets = raw.get("subsets") or []
    yield from repeated((f"{at}.subsets[{i}].name", s["name"]) for i, s in enumerate(subsets))
    for i, subset in enumerate(subsets):
        if len(subset["name"]) > 63 or LABEL.fullmatch(subset["name"]) is None:
            yield f"{at}.subsets[{i}].name: {subset['name']!r} is not a DNS label (a-z, 0-9, '-', at most 63)"


def _load_balancer(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "simple" in raw and "consistentHash" in raw:
        yield f"{at}.consistentHash: may not be given together with simple"


def _consistent_hash(raw: dict[str, Any], at: str) -> Iterator[str]:
    if sum(k in raw for k in HASH_KEYS) != 1:
        yield f"{at}: needs exactly one of {', '.join(HASH_KEYS)}"
    if "ringHash" in raw and "maglev" in raw:
        yield f"{at}.maglev: may not be given together with ringHash"


def _outlier(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("maxEjectionPercent", "minHealthPercent"):
        if not 0 <= raw.get(name, 0) <= 100:
            yield f"{at}.{name}: {raw[name]} is not between 0 and 100"


def _tls(raw: dict[str, Any], at: str) -> Iterator[str]:
    mode = raw.get("mode") or "DISABLE"
    files = [k for k in ("clientCertificate", "privateKey", "caCertificates", "credentialName") if raw.get(k)]
    if mode == "ISTIO_MUTUAL" and files:
        yield f"{at}.{files[0]}: may not be given in the mode ISTIO_MUTUAL"
    if mode == "MUTUAL" and "credentialName" not in files:
        for name in ("clientCertificate", "privateKey"):
            if name not in files:
                yield f"{at}.{name}: is required in the mode MUTUAL without credentialName"


def _port_policy(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "number" not in (raw.get("port") or {}):
        yield f"{at}.port.number: is required"


def _peer_authentication(raw: dict[str, Any], at: str) -> Iterator[str]:
    ports = raw.get("portLevelMtls") or {}
    if ports and not (raw.get("selector") or {}).get("matchLabels"):
        yield f"{at}.portLevelMtls: needs a selector with matchLabels"
    for key in ports:
        if not (key.isascii() and key.isdigit() and 1 <= int(key) <= 65535):
            yield f"{at}.portLevelMtls[{key}]: {key!r} is not a port number between 1 and 65535"


def _authorization(raw: dict[str, Any], at: str) -> Iterator[str]:
    action, provider = raw.get("action") or "ALLOW", (raw.get("provider") or {}).get("name")
    if action == "CUSTOM" and not provider:
        yield f"{at}.provider.name: is required for the action CUSTOM"
    if action != "CUSTOM" and "provider" in raw:
        yield f"{at}.provider: belongs to the action CUSTOM"
    if action != "ALLOW" and not raw.get("rules"):
        yield f"{at}.rules: are required for the action {action}"
    yield from _attached_once(raw, at)


def _attached_once(raw: dict[str, Any], at: str) -> Iterator[str]:
    given = [k for k in ("selector", "targetRef", "targetRefs") if raw.get(k)]
    if len(given) > 1:
        yield f"{at}.{given[1]}: may not be given together with {given[0]}"


def _jwt_rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["issuer"]:
        yield f"{at}.issuer: must not be empty"
    for field in ("audiences", "fromParams", "fromCookies", "spaceDelimitedClaims"):
        for i, value in enumerate(raw.get(field) or []):
            if not value:
                yield f"{at}.{field}[{i}]: must not be empty"
    yield from _jwt_keys(raw, at)
    yield from _jwt_headers(raw, at)


def _jwt_keys(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("jwks") and raw.get("jwksUri"):
        yield f"{at}.jwksUri: may not be given together with jwks"
    url = urlsplit(raw.get("jwksUri") or "http://unset")
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield f"{at}.jwksUri: {raw['jwksUri']!r} is not a URL of http or https"
    if raw.get("jwks") and not is_key_set(raw["jwks"]):
        yield f"{at}.jwks: is not a JSON Web Key Set (RFC 7517): an object with keys"


def _jwt_headers(raw: dict[str, Any], at: str) -> Iterator[str]:
    headers = {f"{at}.outputPayloadToHeader": raw.get("outputPayloadToHeader") or ""}
    for i, place in enumerate(raw.get("fromHeaders") or []):
        headers[f"{at}.fromHeaders[{i}].name"] = place["name"] or "(empty)"
    claims = raw.get("outputClaimToHeaders") or []
    for i, claim in enumerate(claims):
        headers[f"{at}.outputClaimToHeaders[{i}].header"] = claim["header"] or "(empty)"
        if not claim["claim"]:
            yield f"{at}.outputClaimToHeaders[{i}].claim: must not be empty"
    yield from (f"{where}: {name!r} is not a header name" for where, name in headers.items() if not _is_token(name))
    yield from repeated((f"{at}.outputClaimToHeaders[{i}].header", c["header"].lower()) for i, c in enumerate(claims))


def _is_token(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]*", name) is not None


def _from(raw: dict[str, Any], at: str) -> Iterator[str]:
    source = raw.get("source")
    if not source:
        yield f"{at}.source: is required, with at least one field"
        return
    if source.get("serviceAccounts") and (source.get("principals") or source.get("namespaces")):
        yield f"{at}.source.serviceAccounts: may not be given together with principals or namespaces"


def _to(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("operation"):
        yield f"{at}.operation: is required, with at least one field"


def _when(raw: dict[str, Any], at: str) -> Iterator[str]:
    if WHEN_KEY.fullmatch(raw["key"]) is None:
        yield f"{at}.key: {raw['key']!r} is no attribute that a condition can name"
    if not raw.get("values") and not raw.get("notValues"):
        yield f"{at}: needs values or notValues"


def _not_empty(raw: dict[str, Any], at: str) -> Iterator[str]:
    for field, values in raw.items():
        for i, value in enumerate(values or []):
            where = f"{at}.{field}[{i}]"
            if not value:
                yield f"{where}: must not be empty"
            elif field in {"ports", "notPorts"} and not (value.isdigit() and 0 < int(value) < 65536):
                yield f"{where}: {value!r} is not a port number between 1 and 65535"
            elif field in ADDRESSED and not _is_block(value):
                yield f"{where}: {value!r} is neither an address nor a prefix"


def _is_block(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return True


RULES: Final[dict[str, Rule]] = {
    "VsSpec": _virtual_service,
    "VsHttp": _http,
    "VsTls": _layer4,
    "VsTcp": _layer4,
    "VsHttpMatch": _match,
    "IstioStringMatch": _string_match,
    "VsDirectResponse": _direct_response,
    "VsRedirect": _redirect,
    "VsAbort": _abort,
    "VsDelay": _delay,
    "IstioPercent": _percent,
    "DrSpec": _destination_rule,
    "DrLoadBalancer": _load_balancer,
    "DrConsistentHash": _consistent_hash,
    "DrOutlierDetection": _outlier,
    "DrTls": _tls,
    "DrPortPolicy": _port_policy,
    "PaSpec": _peer_authentication,
    "RaSpec": _attached_once,
    "RaJwtRule": _jwt_rule,
    "AzSpec": _authorization,
    "AzFrom": _from,
    "AzTo": _to,
    "AzWhen": _when,
    "AzSource": _not_empty,
    "AzOperation": _not_empty,
}
