"""Objects as rows of a Table, for `kubectl get`. Pure: raw objects and the present time in, cells out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tandem.apiserver.records import Record
from tandem.base.clock import parse_rfc3339

Raw = dict[str, Any]
Cell = Callable[[Raw], object]


def age(seconds: float) -> str:
    """`45s`, `3m10s`, `12m`, `5h`, `3d`: as kubectl writes durations."""
    whole = max(int(seconds), 0)
    for limit, unit, below in (
        (120, 1, ""),
        (600, 60, "s"),
        (10_800, 60, ""),
        (28_800, 3600, "m"),
        (172_800, 3600, ""),
    ):
        if whole < limit:
            letter = {1: "s", 60: "m", 3600: "h"}[unit]
            rest = whole % unit // {"s": 1, "m": 60, "": 1}[below] if below else 0
            return f"{whole // unit}{letter}" + (f"{rest}{below}" if rest else "")
    return f"{whole // 86_400}d"


def _get(raw: Raw, path: str, missing: str = "") -> Any:
    value: Any = raw
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return missing if value is None or value in ("", [], {}) else value


def _at(path: str, missing: str = "<none>") -> Cell:
    return lambda raw: _get(raw, path, missing)


def _joined(path: str, missing: str = "<none>") -> Cell:
    return lambda raw: ",".join(str(v) for v in _get(raw, path) or ()) or missing


def _length(path: str) -> Cell:
    return lambda raw: len(_get(raw, path) or ())


def _pairs(path: str) -> Cell:
    return lambda raw: ",".join(f"{k}={v}" for k, v in sorted((_get(raw, path) or {}).items())) or "<none>"


def _condition(kind: str) -> Cell:
    def cell(raw: Raw) -> str:
        status = raw.get("status") or {}
        conditions = list(status.get("conditions") or ())
        for parent in (*(status.get("parents") or ()), *(status.get("ancestors") or ())):
            conditions += parent.get("conditions") or ()
        return next((str(c.get("status")) for c in conditions if c.get("type") == kind), "")

    return cell


def _targets(raw: Raw) -> str:
    return ",".join(f"{t.get('kind')}/{t.get('name')}" for t in _get(raw, "spec.targetRefs") or ()) or "<none>"


def _gateway_addresses(raw: Raw) -> str:
    return ",".join(str(a.get("value", "")) for a in _get(raw, "status.addresses") or ())


def _ready(raw: Raw) -> str:
    states = _get(raw, "status.containerStatuses") or []
    return f"{sum(bool(s.get('ready')) for s in states)}/{len(_get(raw, 'spec.containers') or ())}"


def _restarts(raw: Raw) -> int:
    return sum(s.get("restartCount", 0) for s in _get(raw, "status.containerStatuses") or ())


def pod_status(raw: Raw) -> str:
    """The STATUS column: Terminating, the reason why a container waits or ended, else the phase."""
    if raw["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for state in _get(raw, "status.containerStatuses") or ():
        for name in ("waiting", "terminated"):
            reason = _get(state, f"state.{name}.reason")
            if reason:
                return str(reason)
    return str(_get(raw, "status.reason") or _get(raw, "status.phase", "Pending"))


def _node_status(raw: Raw) -> str:
    state = {"True": "Ready", "False": "NotReady"}.get(str(_condition("Ready")(raw)), "Unknown")
    return state + (",SchedulingDisabled" if _get(raw, "spec.unschedulable") else "")


def _node_address(raw: Raw) -> str:
    found = (str(a["address"]) for a in _get(raw, "status.addresses") or () if a.get("type") == "InternalIP")
    return next(found, "<none>")


def service_ports(raw: Raw) -> str:
    """`80:30080/TCP`: port, node port where there is one, protocol."""
    found = []
    for port in _get(raw, "spec.ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        found.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(found) or "<none>"


def service_outside(raw: Raw) -> str:
    """What kubectl shows of a Service: its name elsewhere, or the addresses outside that lead to it."""
    kind = _get(raw, "spec.type")
    if kind == "ExternalName":
        return str(_get(raw, "spec.externalName", "<none>"))
    given = [i.get("ip") or i.get("hostname", "") for i in _get(raw, "status.loadBalancer.ingress") or ()]
    found = [*(given if kind == "LoadBalancer" else ()), *(_get(raw, "spec.externalIPs") or ())]
    return ",".join(found) or ("<pending>" if kind == "LoadBalancer" else "<none>")


def _endpoints(raw: Raw) -> str:
    found = [a for e in raw.get("endpoints") or () for a in e.get("addresses") or ()]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "") or "<unset>"


def _slice_ports(raw: Raw) -> str:
    return ",".join(str(p.get("port", "*")) for p in raw.get("ports") or ()) or "<unset>"


def _replicas_ready(raw: Raw) -> str:
    return f"{_get(raw, 'status.readyReplicas', '0')}/{_get(raw, 'spec.replicas', '0')}"


def _count(path: str) -> Cell:
    return lambda raw: _get(raw, path, "0")


def _images(raw: Raw) -> str:
    return ",".join(c.get("image", "") for c in _get(raw, "spec.template.spec.containers") or ())


def last_seen(raw: Raw) -> str:
    """When an object was made; an Event, when it happened last."""
    meta = raw["metadata"]
    found = _get(raw, "series.lastObservedTime") or _get(raw, "lastTimestamp") or _get(raw, "eventTime")
    return str(found or meta.get("creationTimestamp") or "")


def event_object(raw: Raw) -> str:
    """`pod/web-0`."""
    return f"{str(_get(raw, 'involvedObject.kind')).lower()}/{_get(raw, 'involvedObject.name')}"


def event_source(raw: Raw) -> str:
    """Who says so, and on which node."""
    who = _get(raw, "source.component") or _get(raw, "reportingComponent")
    where = _get(raw, "source.host") or _get(raw, "reportingInstance")
    return ", ".join(str(part) for part in (who, where) if part)


def event_count(raw: Raw) -> str:
    """How often it happened."""
    return str(_get(raw, "series.count") or _get(raw, "count") or 1)


AGE: Final = "Age"
NAME: Final = "Name"
_ATTACHED: Final = (
    ("Targets", 0, _targets),
    ("Accepted", 0, _condition("Accepted")),
    ("Programmed", 0, _condition("Programmed")),
    (AGE, 0, None),
)
_ROUTE: Final = (
    ("Hostnames", 0, _joined("spec.hostnames", "")),
    ("Accepted", 0, _condition("Accepted")),
    ("Programmed", 0, _condition("Programmed")),
    (AGE, 0, None),
)
_EVENT: Final = (
    ("Last Seen", 0, None),
    ("Type", 0, _at("type", "")),
    ("Reason", 0, _at("reason", "")),
    ("Object", 0, event_object),
    ("Subobject", 1, _at("involvedObject.fieldPath", "")),
    ("Source", 1, event_source),
    ("Message", 0, lambda raw: str(_get(raw, "message")).strip()),
    ("Count", 1, event_count),
    ("Name", 1, _at("metadata.name")),
)
# (name, priority, cell); priority 1 is shown by `-o wide` only. Name comes first in each table but that of Events.
COLUMNS: Final[dict[str, tuple[tuple[str, int, Cell | None], ...]]] = {
    "Namespace": (("Status", 0, _at("status.phase")), (AGE, 0, None)),
    "CustomResourceDefinition": (("Kind", 0, _at("spec.names.kind")), ("Scope", 0, _at("spec.scope"))),
    "Node": (
        ("Status", 0, _node_status),
        (AGE, 0, None),
        ("Internal-IP", 1, _node_address),
        ("Pod-CIDR", 1, _at("spec.podCIDR")),
    ),
    "ServiceAccount": (("Secrets", 0, _length("secrets")), (AGE, 0, None)),
    "ConfigMap": (("Data", 0, _length("data")), (AGE, 0, None)),
    "Secret": (("Type", 0, _at("type")), ("Data", 0, _length("data")), (AGE, 0, None)),
    "Service": (
        ("Type", 0, _at("spec.type")),
        ("Cluster-IP", 0, _at("spec.clusterIP")),
        ("External-IP", 0, service_outside),
        ("Port(s)", 0, service_ports),
        (AGE, 0, None),
        ("Selector", 1, _pairs("spec.selector")),
    ),
    "Pod": (
        ("Ready", 0, _ready),
        ("Status", 0, pod_status),
        ("Restarts", 0, _restarts),
        (AGE, 0, None),
        ("IP", 1, _at("status.podIP")),
        ("Node", 1, _at("spec.nodeName")),
    ),
    "Deployment": (
        ("Ready", 0, _replicas_ready),
        ("Up-to-date", 0, _count("status.updatedReplicas")),
        ("Available", 0, _count("status.availableReplicas")),
        (AGE, 0, None),
        ("Images", 1, _images),
        ("Selector", 1, _pairs("spec.selector.matchLabels")),
    ),
    "StatefulSet": (("Ready", 0, _replicas_ready), (AGE, 0, None), ("Images", 1, _images)),
    "EndpointSlice": (
        ("AddressType", 0, _at("addressType")),
        ("Ports", 0, _slice_ports),
        ("Endpoints", 0, _endpoints),
        (AGE, 0, None),
    ),
    "Event": _EVENT,
    "Lease": (("Holder", 0, _at("spec.holderIdentity")), (AGE, 0, None)),
    "NetworkPolicy": (
        ("Pod-Selector", 0, _pairs("spec.podSelector.matchLabels")),
        ("Types", 0, _joined("spec.policyTypes")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "ClusterNetworkPolicy": (
        ("Tier", 0, _at("spec.tier")),
        ("Priority", 0, _count("spec.priority")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "AdminNetworkPolicy": (
        ("Priority", 0, _count("spec.priority")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "BaselineAdminNetworkPolicy": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "VirtualService": (
        ("Gateways", 0, _joined("spec.gateways", "")),
        ("Hosts", 0, _joined("spec.hosts", "")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "DestinationRule": (("Host", 0, _at("spec.host")), ("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "ServiceEntry": (
        ("Hosts", 0, _joined("spec.hosts")),
        ("Location", 0, _at("spec.location")),
        ("Resolution", 0, _at("spec.resolution")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "Sidecar": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "ProxyConfig": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "Telemetry": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "WorkloadEntry": (
        ("Address", 0, _at("spec.address")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "PeerAuthentication": (
        ("Mode", 0, _at("spec.mtls.mode", "")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "RequestAuthentication": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "AuthorizationPolicy": (
        ("Action", 0, _at("spec.action", "ALLOW")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "ServiceRouter": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "ServiceSplitter": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "ServiceResolver": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "ServiceDefaults": (
        ("Protocol", 0, _at("spec.protocol", "")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "JWTProvider": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "ServiceIntentions": (
        ("Destination", 0, _at("spec.destination.name")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "Server": (
        ("Port", 0, _at("spec.port")),
        ("Protocol", 0, _at("spec.proxyProtocol", "unknown")),
        ("Access Policy", 0, _at("spec.accessPolicy", "deny")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "ServerAuthorization": (
        ("Server", 0, _at("spec.server.name")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "LinkerdAuthorizationPolicy": (
        ("Target", 0, _at("spec.targetRef.name")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "MeshTLSAuthentication": (
        ("Identities", 0, _joined("spec.identities")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "NetworkAuthentication": (("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "LinkerdHTTPRoute": _ROUTE,
    "ServiceProfile": (
        ("Routes", 0, _length("spec.routes")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "HTTPLocalRateLimitPolicy": (
        ("Target_name", 0, _at("spec.targetRef.name")),
        ("Total_RPS", 0, _at("spec.total.requestsPerSecond")),
        ("Identity_RPS", 0, _at("spec.identity.requestsPerSecond")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "HTTPRoute": _ROUTE,
    "GatewayClass": (
        ("Controller", 0, _at("spec.controllerName")),
        ("Accepted", 0, _condition("Accepted")),
        (AGE, 0, None),
        ("Description", 1, _at("spec.description", "")),
    ),
    "Gateway": (
        ("Class", 0, _at("spec.gatewayClassName")),
        ("Address", 0, _gateway_addresses),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "ListenerSet": (
        ("Accepted", 0, _condition("Accepted")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "IstioGateway": (
        ("Selector", 0, _pairs("spec.selector")),
        ("Address", 0, _gateway_addresses),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "ReferenceGrant": ((AGE, 0, None),),
    "GRPCRoute": _ROUTE,
    "TCPRoute": (
        ("Accepted", 0, _condition("Accepted")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "UDPRoute": (
        ("Accepted", 0, _condition("Accepted")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "TLSRoute": _ROUTE,
    "BackendTLSPolicy": (
        ("Hostname", 0, _at("spec.validation.hostname")),
        ("Accepted", 0, _condition("Accepted")),
        (AGE, 0, None),
    ),
    "Canary": (
        ("Service", 0, _at("spec.service")),
        ("Phase", 0, _at("status.phase")),
        ("Weight", 0, _count("status.weight")),
        ("Reason", 0, _at("status.reason")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "RateLimit": _ATTACHED,
    "FaultInjection": _ATTACHED,
    "TrafficPolicy": _ATTACHED,
    "XBackendTrafficPolicy": _ATTACHED,
    "XMesh": (("Accepted", 0, _condition("Accepted")), (AGE, 0, None)),
    "IPPool": (
        ("CIDR", 0, _at("spec.cidr")),
        ("Block-Size", 0, _at("spec.blockSize")),
        ("Disabled", 0, _at("spec.disabled")),
        (AGE, 0, None),
    ),
    "IPReservation": (("CIDRs", 0, _joined("spec.reservedCIDRs", "")), (AGE, 0, None)),
    "IPAMBlock": (
        ("CIDR", 0, _at("spec.cidr")),
        ("Node", 0, _at("spec.node")),
        ("Pool", 0, _at("spec.pool")),
        (AGE, 0, None),
    ),
    "Network": (("Fabric", 0, _at("spec.fabric")), ("Programmed", 0, _condition("Programmed")), (AGE, 0, None)),
    "TrustSource": (
        ("Trust-Domains", 0, _joined("spec.trustDomains")),
        ("Programmed", 0, _condition("Programmed")),
        (AGE, 0, None),
    ),
    "LoadBalancerPool": (
        ("Addresses", 0, _joined("spec.addresses")),
        ("Automatic", 0, _at("spec.automatic")),
        (AGE, 0, None),
    ),
}


def table(kind: str, records: Sequence[Record], now: float, *, version: str, whole: bool = False) -> Raw:
    """A meta.k8s.io/v1 Table of records of one kind; `whole` puts the objects in, not only their metadata."""
    columns = COLUMNS[kind] if kind == "Event" else ((NAME, 0, _at("metadata.name")), *COLUMNS[kind])
    definitions = [_definition(name, priority, "name" if name == NAME else "") for name, priority, _ in columns]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions,
        "rows": [_row(record, columns, now, whole=whole) for record in records],
    }


def _definition(name: str, priority: int, form: str = "") -> Raw:
    return {"name": name, "type": "string", "format": form, "description": "", "priority": priority}


def _row(record: Record, columns: Sequence[tuple[str, int, Cell | None]], now: float, *, whole: bool) -> Raw:
    born = last_seen(record.raw)
    old = age(now - parse_rfc3339(born)) if born else "<unknown>"
    cells = [cell(record.raw) if cell else old for _, _, cell in columns]
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": record.meta}
    return {"cells": cells, "object": record.raw if whole else partial}
