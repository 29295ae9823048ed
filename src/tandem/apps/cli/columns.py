"""Raw objects -> the columns that kubectl users expect of each kind. Pure; `now` is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from tandem.apiserver.columns import (
    event_count,
    event_object,
    event_source,
    last_seen,
    service_outside,
    service_ports,
)
from tandem.apps.cli.applying import conditions
from tandem.apps.cli.layout import visible
from tandem.base.clock import parse_rfc3339
from tandem.model.kinds import Kind
from tandem.model.meta import RawObject

NONE: Final = "<none>"


_UNITS: Final = (
    (120, 1, "s", 0, ""),
    (600, 60, "m", 1, "s"),
    (3 * 3600, 60, "m", 0, ""),
    (8 * 3600, 3600, "h", 60, "m"),
    (48 * 3600, 3600, "h", 0, ""),
    (8 * 86400, 86400, "d", 3600, "h"),
)
"""(below so many seconds, size and name of the first unit, size and name of the second)."""


class Column(msgspec.Struct, frozen=True):
    """A heading and the text below it; `wide` columns show up with `-o wide` only."""

    name: str
    cell: Callable[[RawObject], str]
    wide: bool = False


def columns(kind: Kind, *, namespaces: bool, now: float, pod_mesh: Callable[[RawObject], str]) -> tuple[Column, ...]:
    """All columns of a kind, in order; `namespaces` puts NAMESPACE first, `pod_mesh` says who is in the mesh."""
    first = (Column("NAMESPACE", lambda r: _meta(r, "namespace")),) if namespaces and kind.namespaced else ()
    if kind.kind == "Event":
        return (
            *first,
            Column("LAST SEEN", lambda r: age_since(seen, now) if (seen := last_seen(r)) else NONE),
            *_EVENT,
        )
    named = (*first, Column("NAME", lambda r: _meta(r, "name")))
    age = Column("AGE", lambda r: age_of(r, now))
    middle, last = _OF_KIND.get(kind.name, ((), ()))
    mesh = (Column("MESH", pod_mesh, True),) if kind.kind == "Pod" else ()
    return (*named, *middle, age, *last, *mesh)


def widths(rows: Sequence[RawObject], of: Sequence[Column]) -> list[int]:
    """How wide each column must be."""
    return [max(len(text) for text in (c.name, *(_cell(c, r) for r in rows))) for c in of]


def table(rows: Sequence[RawObject], of: Sequence[Column], at_least: Sequence[int] = ()) -> list[str]:
    """Lines of text with a heading, columns as wide as they need to be (and `at_least` so wide)."""
    cells = [[c.name for c in of], *([_cell(c, r) for c in of] for r in rows)]
    wide = [max(pair) for pair in zip(widths(rows, of), at_least or [0] * len(of), strict=True)]
    return ["   ".join(t.ljust(w) for t, w in zip(row, wide, strict=True)).rstrip() for row in cells]


def _cell(column: Column, raw: RawObject) -> str:
    return visible(column.cell(raw)) or NONE


def age_of(raw: RawObject, now: float) -> str:
    """`45s`, `3m12s`, `2h5m`, `3d4h`, `20d`: how long the object has been there."""
    stamp = raw.get("metadata", {}).get("creationTimestamp")
    return age_since(stamp, now) if stamp else "<unknown>"


def age_since(stamp: str, now: float) -> str:
    """The same of any time."""
    return duration(now - parse_rfc3339(stamp))


def duration(seconds: float) -> str:
    """Seconds as kubectl shows them: two units while the first is small."""
    left = max(0, int(seconds))
    for below, big, unit, small, rest in _UNITS:
        if left < below:
            more = left % big // small if small else 0
            return f"{left // big}{unit}{f'{more}{rest}' if more else ''}"
    return f"{left // 86400}d"


def programmed(raw: RawObject) -> str:
    """`True`, `False` or `Unknown`: whether every concerned node has the newest version in force."""
    found = [c for c in conditions(raw) if c.get("type") == "Programmed"]
    generation = raw["metadata"].get("generation", 0)
    if not found or any(c.get("observedGeneration", generation) < generation for c in found):
        return "Unknown"
    return "True" if all(c.get("status") == "True" for c in found) else "False"


def pod_status(raw: RawObject) -> str:
    """What kubectl shows: Terminating, a container's reason, or the phase."""
    status = _dict(raw, "status")
    if raw["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        for name in ("waiting", "terminated"):
            if reason := (state.get(name) or {}).get("reason"):
                return str(reason)
    return str(status.get("reason") or status.get("phase") or "Pending")


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A label selector on one line; empty selects everything."""
    if selector is None:
        return NONE
    parts = [f"{k}={v}" for k, v in (selector.get("matchLabels") or {}).items()]
    for term in selector.get("matchExpressions") or ():
        values = f" ({','.join(term.get('values') or ())})" if term.get("values") else ""
        parts.append(f"{term.get('key')} {term.get('operator')}{values}")
    return ",".join(parts) or "<all>"


def _meta(raw: RawObject, name: str) -> str:
    return str(raw["metadata"].get(name) or "")


def _dict(raw: Mapping[str, Any], *path: str) -> dict[str, Any]:
    value: Any = raw
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _spec(name: str) -> Callable[[RawObject], str]:
    return lambda r: _text(_dict(r, "spec").get(name))


def _status(name: str) -> Callable[[RawObject], str]:
    return lambda r: _text(_dict(r, "status").get(name))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_text(v) for v in value)
    if isinstance(value, dict):
        return ",".join(f"{k}={v}" for k, v in value.items())
    return "" if value is None else str(value)


def _containers(raw: RawObject) -> list[dict[str, Any]]:
    return list(_dict(raw, "status").get("containerStatuses") or ())


def _pod_ready(raw: RawObject) -> str:
    return f"{sum(bool(c.get('ready')) for c in _containers(raw))}/{len(_dict(raw, 'spec').get('containers') or ())}"


def _restarts(raw: RawObject) -> str:
    return str(sum(int(c.get("restartCount") or 0) for c in _containers(raw)))


def _slice_endpoints(raw: RawObject) -> str:
    return ",".join(a for e in raw.get("endpoints") or () for a in e.get("addresses") or ())


def _slice_ports(raw: RawObject) -> str:
    return ",".join(_text(p.get("port")) for p in raw.get("ports") or ())


def _node_ready(raw: RawObject) -> str:
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions(raw))
    return "Ready" if ready else "NotReady"


def _node_address(raw: RawObject) -> str:
    return next((str(a["address"]) for a in _dict(raw, "status").get("addresses") or ()), "")


def _replicas_ready(raw: RawObject) -> str:
    return f"{_dict(raw, 'status').get('readyReplicas', 0)}/{_dict(raw, 'spec').get('replicas', 1)}"


def _count(name: str) -> Callable[[RawObject], str]:
    return lambda r: str(_dict(r, "status").get(name, 0))


def _data(raw: RawObject) -> str:
    return str(len(raw.get("data") or {}) + len(raw.get("binaryData") or {}))


def _parents(raw: RawObject) -> str:
    return ",".join(str(p.get("name")) for p in _dict(raw, "spec").get("parentRefs") or ())


def _parent_gateway(raw: RawObject) -> str:
    return str(_dict(raw, "spec", "parentRef").get("name", ""))


def _targets(raw: RawObject) -> str:
    """Services, each with the port that is meant."""
    refs = _dict(raw, "spec").get("targetRefs") or ()
    return ",".join("/".join(filter(None, (str(r.get("name")), r.get("sectionName")))) for r in refs)


def _backend_name(raw: RawObject) -> str:
    return str(_dict(raw, "spec", "validation").get("hostname", ""))


def _attached_to(raw: RawObject) -> str:
    refs = _dict(raw, "spec").get("targetRefs") or ()
    return ",".join(f"{ref.get('kind')}/{ref.get('name')}" for ref in refs)


def _selected(raw: RawObject) -> str:
    return selector_text(_dict(raw, "spec").get("podSelector"))


def _intended(raw: RawObject) -> str:
    return str(((raw.get("spec") or {}).get("destination") or {}).get("name") or "")


def _action(raw: RawObject) -> str:
    return str(_dict(raw, "spec").get("action") or "ALLOW")


def _issuers(raw: RawObject) -> str:
    return ",".join(str(rule.get("issuer", "")) for rule in _dict(raw, "spec").get("jwtRules") or [])


def _accepted(raw: RawObject) -> str:
    return next((str(c["status"]) for c in conditions(raw) if c.get("type") == "Accepted"), "Unknown")


def _mtls_mode(raw: RawObject) -> str:
    return str(_dict(raw, "spec", "mtls").get("mode") or "UNSET")


def _condition(raw: RawObject, kind: str) -> str:
    return next((str(c.get("status", "")) for c in conditions(raw) if c.get("type") == kind), "Unknown")


def _gateway_addresses(raw: RawObject) -> str:
    return ",".join(str(a.get("value", "")) for a in _dict(raw, "status").get("addresses") or ())


def _server_hosts(raw: RawObject) -> str:
    servers = _dict(raw, "spec").get("servers") or ()
    return ",".join(dict.fromkeys(str(host) for server in servers for host in server.get("hosts") or ()))


def _local_target(raw: RawObject) -> str:
    target = _dict(_dict(raw, "spec"), "targetRef")
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _chosen_server(raw: RawObject) -> str:
    server = _dict(_dict(raw, "spec"), "server")
    return str(server.get("name") or selector_text(server.get("selector")))


def _workload(raw: RawObject) -> str:
    return ",".join(f"{k}={v}" for k, v in (_dict(raw, "spec").get("selector") or {}).items())


def _why_not(raw: RawObject) -> str:
    return "; ".join(str(c.get("message", "")) for c in conditions(raw) if c.get("status") == "False")


def _host_addresses(raw: RawObject) -> str:
    """Those that were given, of hosts that name none."""
    given = [one.get("value") for one in _dict(raw, "status").get("addresses") or ()]
    return ",".join(map(str, given or _dict(raw, "spec").get("addresses") or ()))


_PROGRAMMED: Final = Column("PROGRAMMED", programmed)
_WHY: Final = Column("MESSAGE", _why_not, True)
_ATTACHED: Final = ((Column("TARGETS", _attached_to), _PROGRAMMED), (_WHY,))
_ACCEPTED: Final = Column("ACCEPTED", lambda raw: _condition(raw, "Accepted"))


def _priority(raw: RawObject) -> str:
    """0 is a priority, and the first."""
    return str(_dict(raw, "spec").get("priority", ""))


def _granted(side: str) -> Callable[[RawObject], str]:
    """Kinds and namespaces (`from`), or kinds and names (`to`)."""

    def cell(raw: RawObject) -> str:
        entries = _dict(raw, "spec").get(side) or []
        return ",".join("/".join(filter(None, (e.get("namespace"), e["kind"], e.get("name")))) for e in entries)

    return cell


_EVENT: Final = (
    Column("TYPE", lambda raw: _text(raw.get("type"))),
    Column("REASON", lambda raw: _text(raw.get("reason"))),
    Column("OBJECT", event_object),
    Column("COUNT", event_count),
    Column("SOURCE", event_source, True),
    Column("NAME", lambda raw: _meta(raw, "name"), True),
    Column("MESSAGE", lambda raw: _text(raw.get("message") or raw.get("note")).strip()),
)
_Parts = tuple[Iterable[Column], Iterable[Column]]
_OF_KIND: Final[Mapping[str, _Parts]] = {
    "Pod": (
        (Column("READY", _pod_ready), Column("STATUS", pod_status), Column("RESTARTS", _restarts)),
        (Column("IP", _status("podIP")), Column("NODE", _spec("nodeName"))),
    ),
    "Service": (
        (
            Column("TYPE", _spec("type")),
            Column("CLUSTER-IP", _spec("clusterIP")),
            Column("EXTERNAL-IP", service_outside),
            Column("PORT(S)", service_ports),
        ),
        (Column("SELECTOR", _spec("selector"), True),),
    ),
    "Deployment": (
        (
            Column("READY", _replicas_ready),
            Column("UP-TO-DATE", _count("updatedReplicas")),
            Column("AVAILABLE", _count("availableReplicas")),
        ),
        (Column("SELECTOR", lambda r: selector_text(_dict(r, "spec").get("selector")), True),),
    ),
    "StatefulSet": (
        (Column("READY", _replicas_ready),),
        (Column("SELECTOR", lambda r: selector_text(_dict(r, "spec").get("selector")), True),),
    ),
    "EndpointSlice": (
        (
            Column("ADDRESSTYPE", lambda r: _text(r.get("addressType"))),
            Column("PORTS", _slice_ports),
            Column("ENDPOINTS", _slice_endpoints),
        ),
        (),
    ),
    "Lease": ((Column("HOLDER", _spec("holderIdentity")),), ()),
    "Namespace": (
        (Column("STATUS", lambda r: "Terminating" if _meta(r, "deletionTimestamp") else "Active"),),
        (),
    ),
    "Node": (
        (Column("STATUS", _node_ready), Column("ADDRESS", _node_address)),
        (Column("POD-CIDR", _spec("podCIDR")),),
    ),
    "ConfigMap": ((Column("DATA", _data),), ()),
    "Secret": ((Column("TYPE", lambda r: _text(r.get("type"))), Column("DATA", _data)), ()),
    "NetworkPolicy": (
        (Column("POD-SELECTOR", _selected), Column("TYPES", _spec("policyTypes")), _PROGRAMMED),
        (_WHY,),
    ),
    "ClusterNetworkPolicy": ((Column("TIER", _spec("tier")), Column("PRIORITY", _priority), _PROGRAMMED), (_WHY,)),
    "AdminNetworkPolicy": ((Column("PRIORITY", _priority), _PROGRAMMED), (_WHY,)),
    "BaselineAdminNetworkPolicy": ((_PROGRAMMED,), (_WHY,)),
    "VirtualService": ((Column("HOSTS", _spec("hosts")), Column("GATEWAYS", _spec("gateways")), _PROGRAMMED), (_WHY,)),
    "DestinationRule": ((Column("HOST", _spec("host")), _PROGRAMMED), (_WHY,)),
    "ServiceEntry": (
        (Column("HOSTS", _spec("hosts")), Column("RESOLUTION", _spec("resolution")), _PROGRAMMED),
        (Column("ADDRESSES", _host_addresses), _WHY),
    ),
    "Sidecar": ((_PROGRAMMED,), (_WHY,)),
    "ProxyConfig": ((_PROGRAMMED,), (_WHY,)),
    "Telemetry": ((_PROGRAMMED,), (_WHY,)),
    "WorkloadEntry": ((Column("ADDRESS", _spec("address")), _PROGRAMMED), (_WHY,)),
    "PeerAuthentication": ((Column("MODE", _mtls_mode), _PROGRAMMED), (_WHY,)),
    "RequestAuthentication": ((Column("ISSUERS", _issuers), _PROGRAMMED), (_WHY,)),
    "AuthorizationPolicy": ((Column("ACTION", _action), _PROGRAMMED), (_WHY,)),
    "ServiceRouter": ((_PROGRAMMED,), (_WHY,)),
    "ServiceSplitter": ((_PROGRAMMED,), (_WHY,)),
    "ServiceResolver": ((_PROGRAMMED,), (_WHY,)),
    "ServiceDefaults": ((Column("PROTOCOL", _spec("protocol")), _PROGRAMMED), (_WHY,)),
    "JWTProvider": ((Column("ISSUER", _spec("issuer")), _PROGRAMMED), (_WHY,)),
    "ServiceIntentions": ((Column("DESTINATION", _intended), _PROGRAMMED), (_WHY,)),
    "Server": (
        (Column("PORT", _spec("port")), Column("POD-SELECTOR", _selected), _PROGRAMMED),
        (Column("ACCESS", _spec("accessPolicy")), Column("PROTOCOL", _spec("proxyProtocol")), _WHY),
    ),
    "ServerAuthorization": ((Column("SERVER", _chosen_server), _PROGRAMMED), (_WHY,)),
    "LinkerdAuthorizationPolicy": ((Column("TARGET", _local_target), _PROGRAMMED), (_WHY,)),
    "MeshTLSAuthentication": ((_PROGRAMMED,), (Column("IDENTITIES", _spec("identities"), True), _WHY)),
    "NetworkAuthentication": ((_PROGRAMMED,), (_WHY,)),
    "HTTPLocalRateLimitPolicy": ((Column("TARGET", _local_target), _PROGRAMMED), (_WHY,)),
    "ServiceProfile": ((_PROGRAMMED,), (_WHY,)),
    "LinkerdHTTPRoute": ((Column("HOSTNAMES", _spec("hostnames")), Column("PARENTS", _parents), _PROGRAMMED), (_WHY,)),
    "HTTPRoute": ((Column("HOSTNAMES", _spec("hostnames")), Column("PARENTS", _parents), _PROGRAMMED), (_WHY,)),
    "GatewayClass": ((Column("CONTROLLER", _spec("controllerName")), _ACCEPTED), (_WHY,)),
    "Gateway": (
        (Column("CLASS", _spec("gatewayClassName")), Column("ADDRESS", _gateway_addresses), _PROGRAMMED),
        (_WHY,),
    ),
    "ListenerSet": ((Column("PARENT", _parent_gateway), _PROGRAMMED), (_WHY,)),
    "IstioGateway": (
        (Column("HOSTS", _server_hosts), Column("ADDRESS", _gateway_addresses), _PROGRAMMED),
        (Column("SELECTOR", _workload), _WHY),
    ),
    "ReferenceGrant": ((Column("FROM", _granted("from")), Column("TO", _granted("to"))), ()),
    "GRPCRoute": ((Column("HOSTNAMES", _spec("hostnames")), Column("PARENTS", _parents), _PROGRAMMED), (_WHY,)),
    "TCPRoute": ((Column("PARENTS", _parents), _PROGRAMMED), (_WHY,)),
    "UDPRoute": ((Column("PARENTS", _parents), _PROGRAMMED), (_WHY,)),
    "TLSRoute": ((Column("HOSTNAMES", _spec("hostnames")), Column("PARENTS", _parents), _PROGRAMMED), (_WHY,)),
    "BackendTLSPolicy": (
        (Column("TARGETS", _targets), Column("HOSTNAME", _backend_name), _PROGRAMMED),
        (_WHY,),
    ),
    "Canary": (
        (
            Column("SERVICE", _spec("service")),
            Column("PHASE", _status("phase")),
            Column("WEIGHT", _status("weight")),
            Column("REASON", _status("reason")),
            _PROGRAMMED,
        ),
        (_WHY,),
    ),
    "RateLimit": _ATTACHED,
    "FaultInjection": _ATTACHED,
    "TrafficPolicy": _ATTACHED,
    "XBackendTrafficPolicy": _ATTACHED,
    "XMesh": ((Column("CONTROLLER", _spec("controllerName")), Column("ACCEPTED", _accepted)), (_WHY,)),
    "IPPool": ((Column("CIDR", _spec("cidr")), Column("BLOCK", _spec("blockSize"))), ()),
    "IPReservation": ((Column("CIDRS", _spec("reservedCIDRs")),), ()),
    "IPAMBlock": ((Column("CIDR", _spec("cidr")), Column("NODE", _spec("node")), Column("POOL", _spec("pool"))), ()),
    "Network": ((Column("FABRIC", _spec("fabric")), _PROGRAMMED), (_WHY,)),
    "TrustSource": ((Column("TRUST-DOMAINS", _spec("trustDomains")), _PROGRAMMED), (_WHY,)),
    "LoadBalancerPool": ((Column("ADDRESSES", _spec("addresses")), Column("AUTOMATIC", _spec("automatic"))), ()),
}
