"""World, Problems and acknowledgements -> patches of status, only where something changed. Pure.

`Accepted` says whether the object could be translated, `Programmed` whether every node that it concerns has it in
force. Routes have their conditions per parent (`status.parents[]`), as the Gateway API defines; those of Gateways are
made in `gateway/status.py`, and those of ListenerSets in `gateway/setstatus.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

import msgspec

from tandem.base.problems import ObjectKey, Problem, Severity
from tandem.model import core
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.backendtraffic import XBackendTrafficPolicy
from tandem.model.canary import ENDED, PROMOTED, Canary
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.consul import ServiceIntentions
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.consulroutes import ServiceResolver, ServiceRouter, ServiceSplitter
from tandem.model.consultokens import JWTProvider
from tandem.model.egress import HostAddress, ServiceEntry, Sidecar, WorkloadEntry
from tandem.model.faults import FaultInjection
from tandem.model.gateway import HTTPRoute, ParentReference, RouteParentStatus
from tandem.model.gateways import CONTROLLER, Gateway, GatewayClass
from tandem.model.grpcroute import GRPCRoute
from tandem.model.istio import DestinationRule, VirtualService
from tandem.model.istiogateway import IstioGateway
from tandem.model.linkerd import (
    HTTPLocalRateLimitPolicy,
    LinkerdAuthorizationPolicy,
    LinkerdHTTPRoute,
    MeshTLSAuthentication,
    NetworkAuthentication,
    Server,
    ServerAuthorization,
    is_server_parent,
)
from tandem.model.linkerdprofile import ServiceProfile
from tandem.model.listenersets import ListenerSet
from tandem.model.meta import Object
from tandem.model.network import Network
from tandem.model.policy import NetworkPolicy
from tandem.model.ratelimit import RateLimit
from tandem.model.security import AuthorizationPolicy, PeerAuthentication, RequestAuthentication
from tandem.model.tcproute import TCPRoute
from tandem.model.telemetry import ProxyConfig, Telemetry
from tandem.model.tlsroute import TLSRoute
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.trustsource import TrustSource
from tandem.model.udproute import UDPRoute
from tandem.model.world import World
from tandem.model.xmesh import MeshFeature, XMesh
from tandem.translate.attachment import attached_patch, standard_patch
from tandem.translate.conditions import (
    Patch,
    Programmed,
    Verdict,
    accepted_of,
    conditions_after,
    conditions_json,
    json_of,
    message_of,
    programmed_of,
)
from tandem.translate.gateway.attach import EdgeRoute
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.policystatus import policy_patch
from tandem.translate.gateway.setstatus import set_patch
from tandem.translate.gateway.status import class_patch, gateway_patch
from tandem.translate.ingress.status import ingress_patch
from tandem.translate.mesh.attach import is_gateway_parent, is_mesh_parent
from tandem.translate.mesh.xmesh import FEATURES

_REFS: Final = frozenset({"BackendNotFound", "InvalidKind", "RefNotPermitted"})
PATHS_BROKEN: Final = "PathsBroken"
"""Code of what nodes say of their paths to others: of the Network, whatever it says itself."""
_InParts = (
    Gateway
    | ListenerSet
    | BackendTLSPolicy
    | RateLimit
    | FaultInjection
    | TrafficPolicy
    | XBackendTrafficPolicy
    | IstioGateway
)
_Plain = (
    NetworkPolicy
    | ClusterNetworkPolicy
    | AdminNetworkPolicy
    | BaselineAdminNetworkPolicy
    | VirtualService
    | DestinationRule
    | WorkloadEntry
    | Sidecar
    | ProxyConfig
    | Telemetry
    | PeerAuthentication
    | RequestAuthentication
    | AuthorizationPolicy
    | ServiceIntentions
    | Server
    | ServerAuthorization
    | LinkerdAuthorizationPolicy
    | MeshTLSAuthentication
    | NetworkAuthentication
    | ServiceRouter
    | ServiceSplitter
    | ServiceResolver
    | HTTPLocalRateLimitPolicy
    | ServiceDefaults
    | JWTProvider
    | ServiceProfile
    | Canary
    | Network
    | TrustSource
)

WRITTEN: Final[Mapping[str, type[Object]]] = {
    cls.__name__: cls
    for cls in (
        NetworkPolicy,
        ClusterNetworkPolicy,
        AdminNetworkPolicy,
        BaselineAdminNetworkPolicy,
        VirtualService,
        DestinationRule,
        ServiceEntry,
        WorkloadEntry,
        Sidecar,
        ProxyConfig,
        Telemetry,
        PeerAuthentication,
        RequestAuthentication,
        AuthorizationPolicy,
        ServiceIntentions,
        Server,
        ServerAuthorization,
        LinkerdAuthorizationPolicy,
        MeshTLSAuthentication,
        NetworkAuthentication,
        LinkerdHTTPRoute,
        ServiceRouter,
        ServiceSplitter,
        ServiceResolver,
        HTTPLocalRateLimitPolicy,
        ServiceDefaults,
        JWTProvider,
        ServiceProfile,
        Canary,
        RateLimit,
        FaultInjection,
        TrafficPolicy,
        XBackendTrafficPolicy,
        Network,
        TrustSource,
        HTTPRoute,
        GRPCRoute,
        TCPRoute,
        TLSRoute,
        BackendTLSPolicy,
        UDPRoute,
        XMesh,
        GatewayClass,
        Gateway,
        ListenerSet,
        IstioGateway,
        core.Service,
    )
}
"""The kinds whose status is written here, in the order in which it is."""
_NO_EDGE: Final = Edge()


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses and more that belong into statuses, by namespace and name."""

    balancers: Mapping[tuple[str, str], tuple[str, ...]] = MappingProxyType({})
    """Of the Services of type LoadBalancer that are ours."""
    hosts: Mapping[tuple[str, str], tuple[HostAddress, ...]] = MappingProxyType({})
    """Of ServiceEntries."""
    edge: Edge = _NO_EDGE
    """Of gateways, with all else that is told of those."""


def patches_of(
    world: World,
    keys: Iterable[ObjectKey],
    told: Mapping[ObjectKey, Sequence[Problem]],
    programmed: Programmed,
    now: float,
    *,
    given: Given = Given(),  # noqa: B008 - frozen
) -> tuple[Patch, ...]:
    """What to write, so that the conditions of these objects say what `told` and `programmed` say.

    Those that are not there, or whose status is not ours, need nothing.
    """
    found: list[Patch | None] = []
    for kind, *key in keys:
        obj: Object | None = world.get(WRITTEN[kind], *key) if kind in WRITTEN else None
        match obj:
            case None:
                continue
            case core.Service():
                found.append(_service(obj, told, programmed, given=given.balancers, now=now))
            case ServiceEntry():
                found.append(_entry(obj, told, programmed, given=given.hosts, now=now))
            case XMesh():
                found.append(_mesh(obj, told, now))
            case HTTPRoute() | GRPCRoute() | TCPRoute() | TLSRoute() | UDPRoute():
                found.append(_route(obj, told, programmed, now, given.edge))
            case GatewayClass():
                found.append(class_patch(obj, now))
            case (
                Gateway()
                | ListenerSet()
                | BackendTLSPolicy()
                | RateLimit()
                | FaultInjection()
                | TrafficPolicy()
                | XBackendTrafficPolicy()
                | IstioGateway()
            ):
                found.append(_in_parts(obj, told, programmed, now, given.edge))
            case _:
                found.append(_plain(cast("_Plain", obj), told, programmed, now))
    return tuple(patch for patch in found if patch is not None)


def _in_parts(
    obj: _InParts,
    told: Mapping[ObjectKey, Sequence[Problem]],
    programmed: Programmed,
    now: float,
    edge: Edge,
) -> Patch | None:
    """Of a kind with conditions of its listeners, or of its targets, beside those of the whole."""
    key = obj.kind, *obj.key
    own, state = told.get(key, ()), programmed.get(key)
    match obj:
        case Gateway():
            return gateway_patch(obj, edge.facts.get(obj.key), own, state, now)
        case ListenerSet():
            return set_patch(obj, edge.sets.get(obj.key), own, state, now)
        case BackendTLSPolicy():
            return policy_patch(obj, edge.ancestors.get(obj.key, ()), own, state, now)
        case RateLimit() | FaultInjection() | TrafficPolicy():
            return attached_patch(obj, own, state, now)
        case XBackendTrafficPolicy():
            return standard_patch(obj, own, state, now)
        case IstioGateway():
            return ingress_patch(obj, edge.ingress.get(obj.key), own, state, now)


def _plain(
    obj: _Plain, problems: Mapping[ObjectKey, Sequence[Problem]], programmed: Programmed, now: float
) -> Patch | None:
    key = obj.kind, *obj.key
    own = [p for p in problems.get(key, []) if p.code != PATHS_BROKEN]
    accepted = accepted_of(own)
    verdicts: tuple[Verdict, ...] = (accepted, programmed_of(accepted, programmed.get(key)))
    if isinstance(obj, Network):
        verdicts = (*verdicts, _connected(problems.get(key, [])))
    if isinstance(obj, Canary):
        verdicts = (*verdicts, *_rollout(obj))
    wanted = conditions_after(obj.status.conditions, verdicts, obj.metadata.generation, now)
    if wanted == obj.status.conditions:
        return None
    body = {"status": {"conditions": conditions_json(wanted)}}
    return Patch(kind=obj.kind, namespace=obj.metadata.namespace, name=obj.metadata.name, body=body)


def _entry(
    entry: ServiceEntry,
    problems: Mapping[ObjectKey, Sequence[Problem]],
    programmed: Programmed,
    *,
    given: Mapping[tuple[str, str], tuple[HostAddress, ...]],
    now: float,
) -> Patch | None:
    key = entry.kind, *entry.key
    accepted = accepted_of(problems.get(key, ()))
    verdicts = (accepted, programmed_of(accepted, programmed.get(key)))
    wanted = conditions_after(entry.status.conditions, verdicts, entry.metadata.generation, now)
    addresses = given.get(entry.key, ())
    body: dict[str, Any] = {}
    if wanted != entry.status.conditions:
        body["conditions"] = conditions_json(wanted)
    if addresses != entry.status.addresses:
        body["addresses"] = [{"value": one.value, "host": one.host} for one in addresses]
    namespace, name = entry.key
    return Patch(kind=entry.kind, namespace=namespace, name=name, body={"status": body}) if body else None


def _service(
    service: core.Service,
    problems: Mapping[ObjectKey, Sequence[Problem]],
    programmed: Programmed,
    *,
    given: Mapping[tuple[str, str], tuple[str, ...]],
    now: float,
) -> Patch | None:
    """Addresses of load balancers; a Service that was one, and is it no longer, gives back what was written here."""
    before = service.status
    held = tuple(i.ip for i in before.load_balancer.ingress)
    addresses: tuple[str, ...] = ()
    others = tuple(c for c in before.conditions if c.type not in {"Accepted", "Programmed"})
    wanted = others
    if service.key in given:
        key = service.kind, *service.key
        addresses, accepted = given[service.key], accepted_of(problems.get(key, []))
        verdicts = (accepted, programmed_of(accepted, programmed.get(key)))
        wanted = conditions_after(before.conditions, verdicts, service.metadata.generation, now)
    elif service.spec.type == "LoadBalancer" or not (held or wanted != before.conditions):
        return None
    body: dict[str, Any] = {}
    if addresses != held:
        body["loadBalancer"] = {"ingress": [{"ip": address, "ipMode": "VIP"} for address in addresses]}
    if wanted != before.conditions:
        body["conditions"] = conditions_json(wanted)
    namespace, name = service.key
    return Patch(kind=service.kind, namespace=namespace, name=name, body={"status": body}) if body else None


def _route(
    route: EdgeRoute,
    problems: Mapping[ObjectKey, Sequence[Problem]],
    programmed: Programmed,
    now: float,
    edge: Edge,
) -> Patch | None:
    key = route.kind, *route.key
    own = problems.get(key, [])
    before = {msgspec.json.encode(p.parent_ref): p for p in route.status.parents if p.controller_name == CONTROLLER}
    foreign = tuple(p for p in route.status.parents if p.controller_name != CONTROLLER)
    parents = []
    for i, parent in enumerate(route.spec.parent_refs):
        if not _is_ours(route, parent, edge):
            continue
        known = before.get(msgspec.json.encode(parent))
        verdicts = _parent_verdicts(own, i, programmed.get(key))
        conditions = conditions_after(known.conditions if known else (), verdicts, route.metadata.generation, now)
        parents.append(RouteParentStatus(parent_ref=parent, controller_name=CONTROLLER, conditions=conditions))
    wanted = (*foreign, *parents)
    if wanted == route.status.parents:
        return None
    body = {"status": {"parents": [_parent_json(p) for p in wanted]}}
    return Patch(kind=route.kind, namespace=route.metadata.namespace, name=route.metadata.name, body=body)


def _mesh(mesh: XMesh, problems: Mapping[ObjectKey, Sequence[Problem]], now: float) -> Patch | None:
    """What the mesh supports (GEP-3949); objects of other controllers are left alone."""
    if mesh.spec.controller_name != CONTROLLER:
        return None
    accepted = accepted_of(problems.get((mesh.kind, *mesh.key), []))
    conditions = conditions_after(mesh.status.conditions, (accepted,), mesh.metadata.generation, now)
    features = tuple(MeshFeature(name=name) for name in FEATURES)
    if (conditions, features) == (mesh.status.conditions, mesh.status.supported_features):
        return None
    status = {"conditions": conditions_json(conditions), "supportedFeatures": json_of(features)}
    return Patch(kind=mesh.kind, namespace="", name=mesh.metadata.name, body={"status": status})


def _is_ours(route: EdgeRoute, parent: ParentReference, edge: Edge) -> bool:
    key = parent.namespace or route.metadata.namespace, parent.name
    known = edge.sets if parent.kind == "ListenerSet" else edge.facts
    return is_mesh_parent(parent) or is_server_parent(parent) or (is_gateway_parent(parent) and key in known)


def _parent_json(parent: RouteParentStatus) -> dict[str, Any]:
    raw: dict[str, Any] = json_of(parent)
    raw["conditions"] = conditions_json(parent.conditions)
    # The API's defaults are written out: readers compare the reference with the one in spec.
    raw["parentRef"] = {"group": parent.parent_ref.group, "kind": parent.parent_ref.kind, **raw["parentRef"]}
    return raw


def _parent_verdicts(problems: Sequence[Problem], index: int, state: tuple[bool, str] | None) -> tuple[Verdict, ...]:
    here = f"spec.parentRefs[{index}]"
    errors = [p for p in problems if p.severity is Severity.ERROR]
    refs = [p for p in errors if p.at.path.startswith("spec.rules") and p.code in _REFS]
    parents = [p for p in errors if p.at.path.startswith("spec.parentRefs")]
    others = [p for p in errors if p not in refs and p not in parents]
    warnings = [
        p
        for p in problems
        if p.severity is Severity.WARNING and (p.at.path == here or not p.at.path.startswith("spec.parentRefs"))
    ]
    accepted = accepted_of([*(p for p in parents if p.at.path == here), *others, *warnings])
    if not accepted[1] and accepted[2] == "InvalidValue":
        accepted = (*accepted[:2], "UnsupportedValue", accepted[3])  # the reason that the Gateway API knows
    reason = refs[0].code if refs else "ResolvedRefs"
    resolved: Verdict = ("ResolvedRefs", not refs, reason, message_of(refs))
    return accepted, resolved, programmed_of(accepted, state)


def _connected(problems: Sequence[Problem]) -> Verdict:
    broken = [p for p in problems if p.code == PATHS_BROKEN]
    return "Connected", not broken, PATHS_BROKEN if broken else "Connected", message_of(broken)


def _rollout(canary: Canary) -> tuple[Verdict, ...]:
    """How far it is, in the words of whoever moves it on."""
    now = canary.status
    if now.revision != canary.revision or not now.reason:
        return ()
    words = now.reason, now.message
    return ("Progressing", now.phase not in ENDED, *words), ("Promoted", now.phase == PROMOTED, *words)
