"""Builders of routing objects for tests: `vs("a", hosts=[...], http=[...])`; all of them go through `model.parse`."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from tandem.model.backendtraffic import XBackendTrafficPolicy
from tandem.model.canary import Canary
from tandem.model.faults import FaultInjection
from tandem.model.gateway import HTTPRoute
from tandem.model.gateways import ReferenceGrant
from tandem.model.grpcroute import GRPCRoute
from tandem.model.istio import DestinationRule, VirtualService
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.ratelimit import RateLimit
from tandem.model.security import AuthorizationPolicy, PeerAuthentication, RequestAuthentication
from tandem.model.telemetry import Telemetry
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.trustsource import TrustSource

Raw = dict[str, Any]


def _object(api: str, kind: str, key: tuple[str, str, str], spec: Raw) -> Object:
    name, namespace, created = key
    meta: Raw = {"name": name, "namespace": namespace, "uid": f"uid-{kind}-{namespace}-{name}", "generation": 1}
    if created:
        meta["creationTimestamp"] = created
    return parse({"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec})


def vs(name: str = "vs", *, ns: str = "default", created: str = "", **spec: Any) -> VirtualService:
    """A VirtualService; keywords are the fields of its spec."""
    return cast("VirtualService", _object("networking.istio.io/v1", "VirtualService", (name, ns, created), spec))


def dr(name: str = "dr", *, ns: str = "default", created: str = "", **spec: Any) -> DestinationRule:
    """A DestinationRule; keywords are the fields of its spec."""
    return cast("DestinationRule", _object("networking.istio.io/v1", "DestinationRule", (name, ns, created), spec))


def telemetry(name: str = "tm", *, ns: str = "default", created: str = "", **spec: Any) -> Telemetry:
    """A Telemetry; keywords are the fields of its spec."""
    return cast("Telemetry", _object("telemetry.istio.io/v1", "Telemetry", (name, ns, created), spec))


def peerauth(name: str = "pa", *, ns: str = "default", created: str = "", **spec: Any) -> PeerAuthentication:
    """A PeerAuthentication; keywords are the fields of its spec."""
    return cast("PeerAuthentication", _object("security.istio.io/v1", "PeerAuthentication", (name, ns, created), spec))


def authz(
    name: str = "ap", *, ns: str = "default", notes: dict[str, str] | None = None, **spec: Any
) -> AuthorizationPolicy:
    """An AuthorizationPolicy; keywords are the fields of its spec."""
    found = cast("AuthorizationPolicy", _object("security.istio.io/v1", "AuthorizationPolicy", (name, ns, ""), spec))
    return msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, annotations=notes or {}))


def reqauth(
    name: str = "ra", *, ns: str = "default", notes: dict[str, str] | None = None, **spec: Any
) -> RequestAuthentication:
    """A RequestAuthentication; keywords are the fields of its spec."""
    made = _object("security.istio.io/v1", "RequestAuthentication", (name, ns, ""), spec)
    found = cast("RequestAuthentication", made)
    return msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, annotations=notes or {}))


def ratelimit(
    *targets: Raw, name: str = "few", ns: str = "default", created: str = "", staged: bool = False, **spec: Any
) -> RateLimit:
    """A RateLimit, by default of three requests an hour; keywords are the fields of its spec."""
    given = {"targetRefs": list(targets), "limits": [{"requests": 3, "unit": "Hour"}], **spec}
    found = cast("RateLimit", _object("tandem.io/v1", "RateLimit", (name, ns, created), given))
    notes = {"tandem.io/staged": "true"} if staged else {}
    return msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, annotations=notes))


def trust_source(*domains: str, name: str = "partner", socket: str = "/run/api.sock", roots: str = "") -> TrustSource:
    """A TrustSource of these trust domains; `roots`: `namespace/name` of where they are written."""
    where = dict(zip(("namespace", "name"), roots.split("/"), strict=True)) if roots else {}
    spec = {"trustDomains": list(domains), **({"roots": where} if roots else {"spire": {"socket": socket}})}
    return cast("TrustSource", _object("tandem.io/v1", "TrustSource", (name, "", ""), spec))


def faults(*targets: Raw, name: str = "trouble", ns: str = "default", created: str = "", **spec: Any) -> FaultInjection:
    """A FaultInjection; keywords are the fields of its spec."""
    given = {"targetRefs": list(targets), **spec}
    return cast("FaultInjection", _object("tandem.io/v1", "FaultInjection", (name, ns, created), given))


def trafficpolicy(
    *targets: Raw, name: str = "spread", ns: str = "default", created: str = "", **spec: Any
) -> TrafficPolicy:
    """A TrafficPolicy; keywords are the fields of its spec."""
    given = {"targetRefs": list(targets), **spec}
    return cast("TrafficPolicy", _object("tandem.io/v1", "TrafficPolicy", (name, ns, created), given))


def backendtraffic(
    *services: str, name: str = "standard", ns: str = "default", created: str = "", **spec: Any
) -> XBackendTrafficPolicy:
    """An XBackendTrafficPolicy at Services; keywords are the fields of its spec."""
    given = {"targetRefs": [{"group": "", "kind": "Service", "name": service} for service in services], **spec}
    api = "gateway.networking.x-k8s.io/v1alpha1"
    return cast("XBackendTrafficPolicy", _object(api, "XBackendTrafficPolicy", (name, ns, created), given))


def limit_at(kind: str, name: str, section: str = "") -> Raw:
    """A targetRef of a RateLimit."""
    group = "" if kind == "Service" else "gateway.networking.k8s.io"
    return {"group": group, "kind": kind, "name": name, **({"sectionName": section} if section else {})}


def httproute(name: str = "hr", *, ns: str = "default", created: str = "", **spec: Any) -> HTTPRoute:
    """An HTTPRoute; keywords are the fields of its spec."""
    return cast("HTTPRoute", _object("gateway.networking.k8s.io/v1", "HTTPRoute", (name, ns, created), spec))


def grpcroute(name: str = "gr", *, ns: str = "default", created: str = "", **spec: Any) -> GRPCRoute:
    """A GRPCRoute; keywords are the fields of its spec."""
    return cast("GRPCRoute", _object("gateway.networking.k8s.io/v1", "GRPCRoute", (name, ns, created), spec))


def grant(*kinds: str, to: str, source: str, name: str = "") -> ReferenceGrant:
    """A ReferenceGrant in the namespace `to` for routes of `kinds` in the namespace `source`: to Services, or one."""
    group = "gateway.networking.k8s.io"
    allowed: Raw = {"group": "", "kind": "Service", **({"name": name} if name else {})}
    spec = {"from": [{"group": group, "kind": k, "namespace": source} for k in kinds], "to": [allowed]}
    return cast("ReferenceGrant", _object(f"{group}/v1", "ReferenceGrant", (f"{source}-{name or 'all'}", to, ""), spec))


def canary(
    name: str = "web",
    *,
    ns: str = "default",
    created: str = "",
    notes: dict[str, str] | None = None,
    status: Raw | None = None,
    **spec: Any,
) -> Canary:
    """A Canary of Service NAME between NAME-v1 and NAME-v2; keywords are other fields of its spec.

    `status` is about the spec as it is, unless it says otherwise; without one it has none.
    """
    given = {
        "service": name,
        "stable": {"service": f"{name}-v1"},
        "canary": {"service": f"{name}-v2"},
        "steps": [{"weight": 20}, {"weight": 60}],
        **spec,
    }
    found = cast("Canary", _object("tandem.io/v1", "Canary", (name, ns, created), given))
    found = msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, annotations=notes or {}))
    if status is None:
        return found
    made = msgspec.convert({"revision": found.revision, **status}, type(found.status))
    return msgspec.structs.replace(found, status=made)


def to(host: str, subset: str = "", weight: int | None = None, port: int = 0) -> Raw:
    """A VirtualService's route destination."""
    raw: Raw = {"destination": {"host": host}}
    if subset:
        raw["destination"]["subset"] = subset
    if port:
        raw["destination"]["port"] = {"number": port}
    if weight is not None:
        raw["weight"] = weight
    return raw


def parent(name: str, **more: Any) -> Raw:
    """A parentRef that is a Service."""
    return {"group": "", "kind": "Service", "name": name, **more}
