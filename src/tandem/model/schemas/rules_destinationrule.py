"""Istio's DestinationRule beyond the form of single fields, as istiod's admission judges it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Any, Final

from tandem.base.addresses import is_address
from tandem.model.core import REGION, SUBZONE, ZONE
from tandem.model.schemas.istioforms import exports, host_fault, is_label, name_fault
from tandem.model.schemas.rules_kubernetes import Rule, repeated

HASH_KEYS: Final = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
OF_FILES: Final = ("clientCertificate", "privateKey", "caCertificates", "caCrl")
PLACES: Final = frozenset({REGION, ZONE, SUBZONE})
TUNNELS: Final = ("CONNECT", "POST")
LARGEST_TABLE: Final = 5_000_011
WHOLE: Final = 100


def _whole(raw: dict[str, Any], _: str) -> Iterator[str]:
    yield from exports(raw)
    spec = raw.get("spec") or {}
    home = (raw.get("metadata") or {}).get("namespace") or "default"
    if "workloadSelector" in spec and set(spec.get("exportTo") or ()) - {".", home}:
        yield "spec.exportTo: with a workloadSelector a rule is for its own namespace alone"


def _destination_rule(raw: dict[str, Any], at: str) -> Iterator[str]:
    if wrong := host_fault(raw["host"]):
        yield f"{at}.host: {wrong}"
    subsets = raw.get("subsets") or []
    yield from repeated((f"{at}.subsets[{i}].name", s["name"]) for i, s in enumerate(subsets))
    for i, subset in enumerate(subsets):
        if not is_label(subset["name"]):
            yield f"{at}.subsets[{i}].name: {subset['name']!r} is not a DNS label"


def _traffic_policy(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw:
        yield f"{at}: says nothing"
    if "tunnel" in raw and "proxyProtocol" in raw:
        yield f"{at}.proxyProtocol: may not be given together with tunnel"


def _port_policy(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "number" not in (raw.get("port") or {}):
        yield f"{at}.port.number: is required"
    if not set(raw) - {"port"}:
        yield f"{at}: says nothing of the port"


def _pool(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw:
        yield f"{at}: needs tcp or http"


def _http_pool(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("h2UpgradePolicy") == "UPGRADE" and raw.get("useClientProtocol"):
        yield f"{at}.useClientProtocol: may not be given together with the h2UpgradePolicy UPGRADE"


def _keep_alive(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("interval", "timeout"):
        if name not in raw:
            yield f"{at}.{name}: is required"


def _load_balancer(raw: dict[str, Any], at: str) -> Iterator[str]:
    if "simple" in raw and "consistentHash" in raw:
        yield f"{at}.consistentHash: may not be given together with simple"
    if "localityLbSetting" in raw and "zoneAwareLbSetting" in raw:
        yield f"{at}.zoneAwareLbSetting: may not be given together with localityLbSetting"


def _consistent_hash(raw: dict[str, Any], at: str) -> Iterator[str]:
    if sum(k in raw for k in HASH_KEYS) != 1:
        yield f"{at}: needs exactly one of {', '.join(HASH_KEYS)}"
    tables = [k for k in ("ringHash", "maglev", "minimumRingSize") if raw.get(k) is not None]
    if len(tables) > 1:
        yield f"{at}.{tables[1]}: may not be given together with {tables[0]}"


def _cookie(raw: dict[str, Any], at: str) -> Iterator[str]:
    attributes = raw.get("attributes") or []
    if not raw["name"]:
        yield f"{at}.name: must not be empty"
    for i, attribute in enumerate(attributes):
        if not attribute["name"]:
            yield f"{at}.attributes[{i}].name: must not be empty"
    yield from repeated((f"{at}.attributes[{i}].name", a["name"]) for i, a in enumerate(attributes))


def _maglev(raw: dict[str, Any], at: str) -> Iterator[str]:
    size = raw.get("tableSize", 0)
    if size >= LARGEST_TABLE or not _is_prime(size):
        yield f"{at}.tableSize: {size} is not a prime number below {LARGEST_TABLE}"


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, isqrt(number) + 1))


def _locality(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("distribute") and raw.get("failover"):
        yield f"{at}.failover: may not be given together with distribute"
    for i, label in enumerate(raw.get("failoverPriority") or [] if raw.get("failover") else ()):
        if label in PLACES:
            yield f"{at}.failoverPriority[{i}]: {label} may not be given together with failover"


def _zone_aware(raw: dict[str, Any], at: str) -> Iterator[str]:
    for i, label in enumerate(raw.get("failoverPriority") or []):
        if label in PLACES:
            yield f"{at}.failoverPriority[{i}]: {label} is looked at already"


def _distribute(raw: dict[str, Any], at: str) -> Iterator[str]:
    shares = raw.get("to") or {}
    for place, share in shares.items():
        if not 0 < share <= WHOLE:
            yield f"{at}.to[{place}]: {share} is not between 1 and {WHOLE}"
    if sum(shares.values()) != WHOLE:
        yield f"{at}.to: the weights must be {WHOLE} together, not {sum(shares.values())}"


def _failover(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("from", "to"):
        if set("/*") & set(raw.get(name) or ""):
            yield f"{at}.{name}: {raw[name]!r} is not a region alone"
    if raw.get("from") == raw.get("to"):
        yield f"{at}.to: must be another region than from"


def _warmup(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("minimumPercent", 0) <= WHOLE:
        yield f"{at}.minimumPercent: {raw['minimumPercent']} is not between 0 and {WHOLE}"
    if raw.get("aggression", 1) <= 0:
        yield f"{at}.aggression: {raw['aggression']} is not more than 0"


def _outlier(raw: dict[str, Any], at: str) -> Iterator[str]:
    for name in ("maxEjectionPercent", "minHealthPercent"):
        if not 0 <= raw.get(name, 0) <= WHOLE:
            yield f"{at}.{name}: {raw[name]} is not between 0 and {WHOLE}"
    if raw.get("consecutiveLocalOriginFailures") and not raw.get("splitExternalLocalOriginErrors"):
        yield f"{at}.consecutiveLocalOriginFailures: needs splitExternalLocalOriginErrors: true"
    for i, code in enumerate(raw.get("outlierDetectionHttpErrorCodes") or []):
        if not 100 <= code <= 599:
            yield f"{at}.outlierDetectionHttpErrorCodes[{i}]: {code} is not between 100 and 599"


def _tls(raw: dict[str, Any], at: str) -> Iterator[str]:
    mode = raw.get("mode") or "DISABLE"
    files = [k for k in (*OF_FILES, "credentialName") if raw.get(k)]
    if mode == "ISTIO_MUTUAL" and files:
        yield f"{at}.{files[0]}: may not be given in the mode ISTIO_MUTUAL"
    if mode in {"SIMPLE", "MUTUAL"} and "credentialName" in files and len(files) > 1:
        yield f"{at}.{files[0]}: may not be given together with credentialName"
    if mode == "MUTUAL" and "credentialName" not in files:
        for name in ("clientCertificate", "privateKey"):
            if name not in files:
                yield f"{at}.{name}: is required in the mode MUTUAL without credentialName"
    if raw.get("insecureSkipVerify") and mode in {"SIMPLE", "MUTUAL"}:
        of_whom = ["caCertificates", "subjectAltNames", *(["credentialName"] if mode == "SIMPLE" else ())]
        for name in (n for n in of_whom if raw.get(n)):
            yield f"{at}.{name}: may not be given together with insecureSkipVerify"


def _tunnel(raw: dict[str, Any], at: str) -> Iterator[str]:
    if raw.get("protocol", "") not in {"", *TUNNELS}:
        yield f"{at}.protocol: {raw['protocol']!r} is none of {', '.join(TUNNELS)}"
    if name_fault(raw["targetHost"]) and not is_address(raw["targetHost"]):
        yield f"{at}.targetHost: {raw['targetHost']!r} is neither a host name nor an address"


def _retry_budget(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("percent", 0) <= WHOLE:
        yield f"{at}.percent: {raw['percent']} is not between 0 and {WHOLE}"


RULES: Final[dict[str, Rule]] = {
    "DestinationRule": _whole,
    "DrSpec": _destination_rule,
    "DrTrafficPolicy": _traffic_policy,
    "DrPortPolicy": _port_policy,
    "DrConnectionPool": _pool,
    "DrHttpPool": _http_pool,
    "DrHttp2KeepAlive": _keep_alive,
    "DrLoadBalancer": _load_balancer,
    "DrConsistentHash": _consistent_hash,
    "DrCookie": _cookie,
    "DrMaglev": _maglev,
    "DrLocality": _locality,
    "DrZoneAware": _zone_aware,
    "DrDistribute": _distribute,
    "DrFailover": _failover,
    "DrWarmup": _warmup,
    "DrOutlierDetection": _outlier,
    "DrTls": _tls,
    "DrTunnel": _tunnel,
    "DrRetryBudget": _retry_budget,
}
