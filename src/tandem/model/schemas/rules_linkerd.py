"""Linkerd's kinds beyond the form of single fields: what their CRDs and their admission controller refuse. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from tandem.model.cidr import parse_network, within
from tandem.model.linkerd import GROUP, named_kind
from tandem.model.schemas.complaint import forbidden, invalid, required
from tandem.model.schemas.rules_gateway import RULES as GATEWAY
from tandem.model.schemas.rules_kubernetes import Rule
from tandem.model.schemas.rules_network import PORT
from tandem.model.schemas.syntax import port_name_fault

Raw = dict[str, Any]
CORE: Final = ("", "core")
"""How references write the group of Kubernetes' own kinds."""
_OLD: Final = "Server is only for pods before policy.linkerd.io/v1beta2"
_IDENTITY: Final = re.compile(r"(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# SPIFFE-ID, 2.1 and 2.2: no segment of the path is empty, "." or "..".
_SPIFFE: Final = re.compile(r"spiffe://[-a-z0-9._]+(/(?!\.{1,2}(/|$))[-a-zA-Z0-9._]+)*")
_TARGETS: Final = {
    (GROUP, "Server"),
    (GROUP, "HTTPRoute"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("gateway.networking.k8s.io", "GRPCRoute"),
    *((group, "Namespace") for group in CORE),
}
_BY_IDENTITY: Final = {(GROUP, "MeshTLSAuthentication"), *((group, "ServiceAccount") for group in CORE)}
_BY_ADDRESS: Final = {(GROUP, "NetworkAuthentication")}
_MOST_REQUESTS: Final = 4_294_967_295
_PARENTS: Final = {(GROUP, "Server"), *((group, "Service") for group in CORE)}
_WHO: Final = {(group, kind) for group in CORE for kind in ("ServiceAccount", "Namespace")}


def _server(raw: Raw, at: str) -> Iterator[str]:
    yield from _either(raw, at, "podSelector", "externalWorkloadSelector")
    port = raw["port"]
    if isinstance(port, int) and not 1 <= port <= 65535:
        yield invalid(f"{at}.port", port, PORT)
    if isinstance(port, str) and (wrong := port_name_fault(port)):
        yield invalid(f"{at}.port", port, wrong)


def _whole_server(raw: Raw, _: str) -> Iterator[str]:
    version = str(raw.get("apiVersion") or "").rpartition("/")[2]
    if version in {"v1alpha1", "v1beta1"} and "externalWorkloadSelector" in raw["spec"]:
        yield forbidden("spec.externalWorkloadSelector", _OLD)
    if version in {"v1alpha1", "v1beta1", "v1beta2"} and "accessPolicy" in raw["spec"]:
        yield forbidden("spec.accessPolicy", "is known from policy.linkerd.io/v1beta3 on")


def _either(raw: Raw, at: str, *fields: str) -> Iterator[str]:
    given = [field for field in fields if field in raw]
    if not given:
        yield required(f"{at}.{fields[0]}", f"or {fields[1]}")
    if len(given) > 1:
        yield forbidden(f"{at}.{given[1]}", f"may not be given together with {given[0]}")


def _authorization(raw: Raw, at: str) -> Iterator[str]:
    target = raw["targetRef"]
    yield from _kind(target, f"{at}.targetRef", _TARGETS)
    first: dict[str, int] = {}
    for i, ref in enumerate(raw["requiredAuthenticationRefs"]):
        where = f"{at}.requiredAuthenticationRefs[{i}]"
        yield from _kind(ref, where, _BY_IDENTITY | _BY_ADDRESS)
        what = "an address" if _name(ref) in _BY_ADDRESS else "an identity"
        if first.setdefault(what, i) != i:
            yield forbidden(where, f"requiredAuthenticationRefs[{first[what]}] asks for {what}, and one must do")


def _whole_authorization(raw: Raw, _: str) -> Iterator[str]:
    target, home = raw["spec"]["targetRef"], (raw.get("metadata") or {}).get("namespace")
    if home and _name(target) in {(group, "Namespace") for group in CORE} and target["name"] != home:
        yield invalid("spec.targetRef.name", target["name"], f"must be {home}: a policy is for its own namespace")


def _name(ref: Raw) -> tuple[str, str]:
    return named_kind(ref.get("group") or "", ref["kind"])


def _kind(ref: Raw, at: str, known: Iterable[tuple[str, str]]) -> Iterator[str]:
    if _name(ref) not in known:
        names = sorted({f"{group}/{kind}" if group else kind for group, kind in known if group != "core"})
        yield invalid(at, "/".join(filter(None, _name(ref))), f"must be one of {', '.join(names)}")


def _mesh_tls(raw: Raw, at: str) -> Iterator[str]:
    yield from _either(raw, at, "identities", "identityRefs")
    yield from _identities(raw, at)
    for i, ref in enumerate(raw.get("identityRefs") or ()):
        yield from _kind(ref, f"{at}.identityRefs[{i}]", _WHO)
        if not ref.get("name"):
            yield required(f"{at}.identityRefs[{i}].name")
        if _name(ref)[1] == "Namespace" and ref.get("namespace"):
            yield forbidden(f"{at}.identityRefs[{i}].namespace", "a namespace is in none")
    if not any(raw.get(field) for field in ("identities", "identityRefs")):
        yield required(f"{at}.identities", "at least one identity")


def _identities(raw: Raw, at: str) -> Iterator[str]:
    for i, identity in enumerate(raw.get("identities") or ()):
        if _IDENTITY.fullmatch(identity) is None and _SPIFFE.fullmatch(identity) is None:
            names = "web.shop.serviceaccount.identity.linkerd.cluster.local, *.cluster.local or *"
            why = f"must be a name such as {names}, or a SPIFFE ID"
            yield invalid(f"{at}.identities[{i}]", identity, why)


def _networks(raw: Raw, at: str) -> Iterator[str]:
    if not raw["networks"]:
        yield required(f"{at}.networks", "at least one network")


def _network(raw: Raw, at: str) -> Iterator[str]:
    cidr = parse_network(raw["cidr"])
    if cidr is None:
        yield invalid(f"{at}.cidr", raw["cidr"], "must be an address or a prefix such as 10.9.8.0/24")
    for i, text in enumerate(raw.get("except") or ()):
        inner = parse_network(text)
        if inner is None:
            yield invalid(f"{at}.except[{i}]", text, "must be an address or a prefix such as 10.9.8.0/24")
        elif cidr is not None and not within(inner, cidr):
            yield invalid(f"{at}.except[{i}]", text, "must be within `cidr`")
        elif inner == cidr:
            yield invalid(f"{at}.except[{i}]", text, "must not be all of `cidr`")


def _client(raw: Raw, at: str) -> Iterator[str]:
    if not raw.get("unauthenticated") and "meshTLS" not in raw:
        yield required(f"{at}.meshTLS", "or unauthenticated: true")
    if raw.get("unauthenticated") and "meshTLS" in raw:
        yield forbidden(f"{at}.meshTLS", "may not be given together with unauthenticated")


def _client_tls(raw: Raw, at: str) -> Iterator[str]:
    yield from _identities(raw, at)
    named = [field for field in ("identities", "serviceAccounts") if raw.get(field)]
    if not named and not raw.get("unauthenticatedTLS"):
        yield required(f"{at}.identities", "serviceAccounts or unauthenticatedTLS")
    if named and raw.get("unauthenticatedTLS"):
        yield forbidden(f"{at}.{named[0]}", "may not be given together with unauthenticatedTLS")


def _server_reference(raw: Raw, at: str) -> Iterator[str]:
    yield from _either(raw, at, "name", "selector")


def _route(raw: Raw, at: str) -> Iterator[str]:
    yield from GATEWAY["GwHttpRouteSpec"](raw, at)
    for i, ref in enumerate(raw.get("parentRefs") or ()):
        parent = ref.get("group", GROUP), ref.get("kind", "Gateway")
        if parent not in _PARENTS:
            found = "/".join(filter(None, parent))
            yield invalid(f"{at}.parentRefs[{i}]", found, 'must be a Server, or a Service of group ""')


def _limits(raw: Raw, at: str) -> Iterator[str]:
    yield from _kind(raw["targetRef"], f"{at}.targetRef", {(GROUP, "Server")})
    limited = [(f"{at}.{name}", raw[name]) for name in ("total", "identity") if name in raw]
    limited += [(f"{at}.overrides[{i}]", one) for i, one in enumerate(raw.get("overrides") or ())]
    if not limited:
        yield required(f"{at}.total", "or identity, or overrides")
    most = raw["total"]["requestsPerSecond"] if "total" in raw else None
    for where, one in limited:
        asked = one["requestsPerSecond"]
        if not 1 <= asked <= _MOST_REQUESTS:
            yield invalid(f"{where}.requestsPerSecond", asked, f"must be between 1 and {_MOST_REQUESTS}")
        elif most is not None and asked > most:
            yield invalid(f"{where}.requestsPerSecond", asked, f"must not be more than the total, {most}")


def _override(raw: Raw, at: str) -> Iterator[str]:
    if not raw["clientRefs"]:
        yield required(f"{at}.clientRefs", "at least one client")
    for i, ref in enumerate(raw["clientRefs"]):
        yield from _kind(ref, f"{at}.clientRefs[{i}]", {(group, "ServiceAccount") for group in CORE})


RULES: Final[dict[str, Rule]] = {
    "Server": _whole_server,
    "LkServerSpec": _server,
    "LinkerdAuthorizationPolicy": _whole_authorization,
    "LkAuthorizationSpec": _authorization,
    "LkMeshTlsSpec": _mesh_tls,
    "LkNetworkSpec": _networks,
    "LkNetwork": _network,
    "LkClient": _client,
    "LkClientTls": _client_tls,
    "LkServerReference": _server_reference,
    "LkLimitSpec": _limits,
    "LkOverride": _override,
    "LkHttpRouteSpec": _route,
    "LkHttpRule": GATEWAY["GwHttpRule"],
    "LkHttpFilter": GATEWAY["GwHttpFilter"],
    "LkHttpBackendRef": GATEWAY["GwHttpBackendRef"],
}
