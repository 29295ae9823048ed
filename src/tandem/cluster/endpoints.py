"""World -> writes: the EndpointSlices of every Service that has a selector.

Follows Kubernetes' endpointslice controller: finished pods and pods without an address are left out, terminating
pods stay with `ready: false`, and a named target port that differs between pods makes several slices. Hints of topology
come from `topology.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from tandem.base.digest import digest
from tandem.cluster.topology import shares, with_hints, zones_of
from tandem.cluster.writes import Create, Patch, Write, delete, owner_reference
from tandem.model import core
from tandem.model.parse import parse
from tandem.model.selectors import matches_map
from tandem.model.world import Key, World

SERVICE_LABEL: Final = "kubernetes.io/service-name"
MANAGED_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
MANAGER: Final = "endpointslice-controller.tandem.io"
MAX_ENDPOINTS: Final = 100

Slices = dict[Key, dict[str, Any]]
"""By namespace and name, as they are written."""
_Ports = tuple[core.SlicePort, ...]
_FAMILIES: Final = {4: "IPv4", 6: "IPv6"}


def publish_endpoints(world: World) -> tuple[Write, ...]:
    """Creates, patches and deletes that make our slices say what the pods are."""
    pods: dict[str, list[core.Pod]] = {}
    for pod in world.sorted(core.Pod):
        if has_endpoint(pod):
            pods.setdefault(pod.metadata.namespace, []).append(pod)
    places, wanted = places_of(world), Slices()
    for service in filter(selects, world.sorted(core.Service)):
        own = pods.get(service.metadata.namespace, ())
        chosen = [p for p in own if matches_map(service.spec.selector, p.metadata.labels)]
        wanted |= slices_of(service, chosen, places)
    existing = world.all(core.EndpointSlice)
    keys = sorted({*existing, *wanted}, key=lambda key: (key in wanted, key))
    return tuple(write for key in keys for write in writes_of(wanted.get(key), existing.get(key)))


def has_endpoint(pod: core.Pod) -> bool:
    """Whether it may be one of a Service that selects it."""
    return bool(_addresses(pod)) and not pod.finished


def selects(service: core.Service) -> bool:
    """Whether its slices are ours to make."""
    spec = service.spec
    return bool(spec.selector) and spec.type != "ExternalName" and not service.metadata.deletion_timestamp


def slices_of(service: core.Service, chosen: Sequence[core.Pod], places: Places) -> Slices:
    """The slices of a Service with the pods that it selects, which are sorted by name."""
    return {(service.metadata.namespace, raw["metadata"]["name"]): raw for raw in _slices(service, chosen, places)}


def writes_of(wanted: dict[str, Any] | None, existing: core.EndpointSlice | None) -> tuple[Write, ...]:
    """What makes a slice as it is the one that is wanted; None: there is none, or is to be none."""
    if existing is not None and (
        existing.metadata.labels.get(MANAGED_LABEL) != MANAGER or existing.metadata.deletion_timestamp
    ):
        existing = None
    if wanted is not None:
        return tuple(_difference(wanted, existing))
    return (delete(existing),) if existing is not None else ()


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The zone of each node, and the share of each zone."""

    zones: Mapping[str, str]
    shares: Mapping[str, Fraction]


def places_of(world: World) -> Places:
    """Those of a World."""
    return Places(zones=zones_of(world), shares=shares(world))


def _slices(service: core.Service, chosen: Sequence[core.Pod], places: Places) -> Iterable[dict[str, Any]]:
    for family in _families(service, chosen):
        groups: dict[_Ports, list[dict[str, Any]]] = {}
        for pod in chosen:
            if address := next((a for a in _addresses(pod) if ip_address(a).version == family), ""):
                groups.setdefault(_ports(service, pod), []).append(_endpoint(service, pod, address, places.zones))
        groups = {ports: with_hints(service, found, places.shares) for ports, found in groups.items()}
        pieces = [
            (ports, groups[ports][i : i + MAX_ENDPOINTS])
            for ports in sorted(groups, key=repr)
            for i in range(0, len(groups[ports]), MAX_ENDPOINTS)
        ]
        # A Service without pods has one empty slice, as in Kubernetes: readers see that it is known.
        for number, (ports, endpoints) in enumerate(pieces or [((), [])]):
            yield _slice(service, family, number, _body(ports, endpoints))


def _families(service: core.Service, pods: Iterable[core.Pod]) -> list[int]:
    named = [version for version, name in _FAMILIES.items() if name in service.spec.ip_families]
    if named:
        return named
    addresses = service.spec.cluster_ips or (service.spec.cluster_ip,)
    families = {ip_address(a).version for a in addresses if a and a != "None"}
    return sorted(families or {ip_address(a).version for p in pods for a in _addresses(p)} or {4})


def _slice(service: core.Service, family: int, number: int, body: dict[str, Any]) -> dict[str, Any]:
    meta = service.metadata
    labels = {
        **{k: v for k, v in meta.labels.items() if "kubernetes.io/" not in k},
        SERVICE_LABEL: meta.name,
        MANAGED_LABEL: MANAGER,
    }
    if service.spec.cluster_ip == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta.name}-{digest(f'{meta.uid}/{family}/{number}', 5)}",
            "namespace": meta.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": _FAMILIES[family],
        **body,
    }


def _body(ports: _Ports, endpoints: list[dict[str, Any]]) -> dict[str, Any]:
    raw_ports: list[dict[str, Any]] = []
    for port in ports:
        raw = {"name": port.name, "port": port.port, "protocol": port.protocol}
        raw_ports.append({**raw, "appProtocol": port.app_protocol} if port.app_protocol else raw)
    return {"ports": raw_ports, "endpoints": endpoints}


def _endpoint(service: core.Service, pod: core.Pod, address: str, zones: Mapping[str, str]) -> dict[str, Any]:
    meta = pod.metadata
    raw: dict[str, Any] = {
        "addresses": [address],
        "conditions": {
            "ready": service.spec.publish_not_ready_addresses or (pod.ready and not pod.terminating),
            "serving": pod.ready,
            "terminating": pod.terminating,
        },
        "targetRef": {"kind": "Pod", "namespace": meta.namespace, "name": meta.name, "uid": meta.uid},
    }
    if pod.spec.node_name:
        raw["nodeName"] = pod.spec.node_name
        if zone := zones.get(pod.spec.node_name, ""):
            raw["zone"] = zone
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        raw["hostname"] = pod.spec.hostname
    return raw


def _ports(service: core.Service, pod: core.Pod) -> _Ports:
    found: list[core.SlicePort] = []
    for port in service.spec.ports:
        number = _number(port, pod)
        if number is not None:  # a name that this pod does not have is left out (Kubernetes: FindPort)
            found.append(
                core.SlicePort(name=port.name, port=number, protocol=port.protocol, app_protocol=port.app_protocol)
            )
    return tuple(found)


def _number(port: core.ServicePort, pod: core.Pod) -> int | None:
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    sidecars = tuple(c for c in pod.spec.init_containers if c.restart_policy == "Always")
    for container in (*pod.spec.containers, *sidecars):
        for candidate in container.ports:
            if candidate.name == target and candidate.protocol == port.protocol:
                return candidate.container_port
    return None


def _addresses(pod: core.Pod) -> tuple[str, ...]:
    """Of host-network pods too: their endpoint is the node's address."""
    every = tuple(p.ip for p in pod.status.pod_ips if p.ip)
    return every or ((pod.status.pod_ip,) if pod.status.pod_ip else ())


def _difference(raw: dict[str, Any], existing: core.EndpointSlice | None) -> list[Write]:
    if existing is None:
        return [Create(raw=raw)]
    wanted = parse(raw)
    assert isinstance(wanted, core.EndpointSlice)  # noqa: S101 - `raw` is our own
    patch: dict[str, Any] = {}
    if wanted.endpoints != existing.endpoints:
        patch["endpoints"] = raw["endpoints"]
    if wanted.ports != existing.ports:
        patch["ports"] = raw["ports"]
    if labels := _label_patch(raw["metadata"]["labels"], existing.metadata.labels):
        patch["metadata"] = {"labels": labels}
    if not patch:
        return []
    namespace, name = existing.key
    return [Patch(kind="EndpointSlice", namespace=namespace, name=name, patch=patch)]


def _label_patch(wanted: Mapping[str, str], existing: Mapping[str, str]) -> dict[str, str | None]:
    patch: dict[str, str | None] = {k: v for k, v in wanted.items() if existing.get(k) != v}
    return patch | {k: None for k in existing if k not in wanted}
