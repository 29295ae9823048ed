"""World -> writes: a Service for each Gateway that is ours, so that it has a name, and is found as others' are.

It is of type LoadBalancer, of a class of its own, and selects nothing: Envoy serves the Gateway at its addresses
(`model/gatewayservices.py`, `compile/gateways.py`). Its ports are those of the listeners that are accepted; while
none is, a Service that is there stays as it is, so that it keeps its address. What somebody else changes of it is set
back, but for labels and annotations, of which it keeps those of others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from tandem.cluster.writes import Create, Patch, Write, delete, owner_reference
from tandem.model import core
from tandem.model.annotations import asks_http3
from tandem.model.gateways import GROUP, Gateway, Listener, ListenerStatus
from tandem.model.gatewayservices import GATEWAY_CLASS, gateway_behind, is_of, is_ours, label_value, service_name
from tandem.model.listenersets import ListenerSet
from tandem.model.meta import Condition
from tandem.model.said import say
from tandem.model.world import Key, World

NAME_LABEL: Final = f"{GROUP}/gateway-name"
CLASS_LABEL: Final = f"{GROUP}/gateway-class-name"
TAKEN_OVER: Final = "tandem.io/from-gateway"
"""Annotation of the Service: the keys of labels and annotations that it has of the Gateway's `spec.infrastructure`."""
_FIXED: Final[Mapping[str, Any]] = {
    "type": "LoadBalancer",
    "loadBalancerClass": GATEWAY_CLASS,
    "allocateLoadBalancerNodePorts": False,
    "externalTrafficPolicy": "Cluster",
    "internalTrafficPolicy": "Cluster",
    "sessionAffinity": "None",
}
_NOTHING: Final = (
    *("selector", "externalIPs", "externalName", "loadBalancerIP", "loadBalancerSourceRanges"),
    *("publishNotReadyAddresses", "trafficDistribution"),
)
"""Fields without which it is; each of them would say something that nobody keeps."""
_GIVEN: Final = ("cluster_ip", "cluster_ips", "ip_families", "session_affinity_config", "health_check_node_port")
"""Fields that the API server gives, or that mean nothing without another one."""


def serve_gateways(world: World) -> tuple[Write, ...]:
    """Creates, patches and deletes that make our Services say what the Gateways are."""
    return serve(world, tuple(filter(made_here, world.sorted(core.Service))))


def made_here(service: core.Service) -> bool:
    """Whether it stands, or stood, for a Gateway of ours."""
    return gateway_behind(service) is not None and service.spec.load_balancer_class == GATEWAY_CLASS


def serve(world: World, made: Sequence[core.Service]) -> tuple[Write, ...]:
    """The same; `made`: the Services that are `made_here`, sorted by name."""
    gateways = [g for g in world.sorted(Gateway) if is_ours(world, g) and not g.metadata.deletion_timestamp]
    sets = _sets(world) if gateways else {}
    writes: list[Write] = []
    kept: set[Key] = set()
    for gateway in gateways:
        key = gateway.metadata.namespace, service_name(gateway)
        service = world.get(core.Service, *key)
        ports = _ports(gateway, sets.get(gateway.key, ()))
        if service is None and ports:
            told = say(gateway, "ServiceCreated", f"Created Service: {key[1]}")
            writes.append(Create(raw=_service(gateway, key, ports), told=(told,)))
        elif service is not None and is_of(service, gateway):
            kept.add(key)
            writes += _differences(gateway, service, ports)
    gone = (s for s in made if s.key not in kept and not s.metadata.deletion_timestamp)
    return (*writes, *map(delete, gone))


def _sets(world: World) -> dict[Key, tuple[ListenerSet, ...]]:
    """By Gateway those that say they are accepted there, the oldest first."""
    found: dict[Key, tuple[ListenerSet, ...]] = {}
    for one in world.oldest_first(ListenerSet):
        parent = one.spec.parent_ref
        key = parent.namespace or one.metadata.namespace, parent.name
        if (parent.group, parent.kind) == (GROUP, "Gateway") and _is_accepted(one.status.conditions):
            found[key] = (*found.get(key, ()), one)
    return found


def _ports(gateway: Gateway, sets: Sequence[ListenerSet]) -> list[dict[str, Any]]:
    """Sorted by number and protocol; several listeners of a port are one, called after the first."""
    found: dict[tuple[int, str], str] = {}
    holders: tuple[Gateway | ListenerSet, ...] = (gateway, *sets)
    listeners = [one for holder in holders for one in _accepted(holder.spec.listeners, holder.status.listeners)]
    for one in listeners:
        found.setdefault((one.port, "UDP" if one.protocol == "UDP" else "TCP"), f"{one.protocol.lower()}-{one.port}")
    for one in listeners if asks_http3(gateway) else ():
        if one.protocol == "HTTPS":
            found.setdefault((one.port, "UDP"), f"http3-{one.port}")
    return [
        {"name": name, "port": port, "protocol": protocol, "targetPort": port}
        for (port, protocol), name in sorted(found.items())
    ]


def _accepted(listeners: Sequence[Listener], said: Sequence[ListenerStatus]) -> Iterator[Listener]:
    conditions = {one.name: one.conditions for one in said}
    yield from (one for one in listeners if _is_accepted(conditions.get(one.name, ())))


def _is_accepted(conditions: Sequence[Condition]) -> bool:
    return any(c.type == "Accepted" and c.status == "True" for c in conditions)


def _service(gateway: Gateway, key: Key, ports: list[dict[str, Any]]) -> dict[str, Any]:
    meta = {
        "namespace": key[0],
        "name": key[1],
        "labels": _labels(gateway),
        "annotations": _annotations(gateway),
        "ownerReferences": [owner_reference(gateway)],
    }
    # A gateway may have addresses of either family, and other ones tomorrow.
    spec = {**_FIXED, "ipFamilyPolicy": "PreferDualStack", "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _labels(gateway: Gateway) -> dict[str, str]:
    own = {NAME_LABEL: gateway.metadata.name, CLASS_LABEL: gateway.spec.gateway_class_name}
    return {**gateway.spec.infrastructure.labels, **{name: label_value(value) for name, value in own.items()}}


def _annotations(gateway: Gateway) -> dict[str, str]:
    given = gateway.spec.infrastructure
    keys = {"annotations": sorted(given.annotations), "labels": sorted(given.labels)}
    return {**given.annotations, TAKEN_OVER: msgspec.json.encode(keys).decode()}


def _differences(gateway: Gateway, service: core.Service, ports: list[dict[str, Any]]) -> Iterator[Patch]:
    namespace, name = service.key
    labels, annotations = _taken_over(service)
    meta = {
        "labels": _changed(_labels(gateway), service.metadata.labels, labels),
        "annotations": _changed(_annotations(gateway), service.metadata.annotations, annotations),
    }
    patch: dict[str, Any] = {"metadata": {field: changed for field, changed in meta.items() if changed}}
    if ports and not _is_as(service, ports):
        patch["spec"] = {**_FIXED, **dict.fromkeys(_NOTHING), "ports": ports}
    if patch["metadata"] or "spec" in patch:
        yield Patch(kind=service.kind, namespace=namespace, name=name, patch=patch)
    addresses = [a.value for a in gateway.status.addresses]
    if addresses != [i.ip for i in service.status.load_balancer.ingress]:
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        status = {"status": {"loadBalancer": {"ingress": ingress}}}
        yield Patch(kind=service.kind, namespace=namespace, name=name, patch=status, subresource="status")


def _taken_over(service: core.Service) -> tuple[Sequence[str], Sequence[str]]:
    """The keys of labels, and of annotations, that were the Gateway's when it was last written."""
    try:
        said = msgspec.json.decode(service.metadata.annotations.get(TAKEN_OVER, "{}"), type=dict[str, tuple[str, ...]])
    except msgspec.DecodeError:
        return (), ()
    return said.get("labels", ()), said.get("annotations", ())


def _changed(wanted: Mapping[str, str], found: Mapping[str, str], before: Sequence[str]) -> dict[str, str | None]:
    """What to write over `found`; of what is not wanted only goes what was written `before`."""
    changed: dict[str, str | None] = {name: value for name, value in wanted.items() if found.get(name) != value}
    return changed | {name: None for name in before if name in found and name not in wanted}


def _is_as(service: core.Service, ports: list[dict[str, Any]]) -> bool:
    """Every field counts that a patch writes, and no other: else it would be written for ever."""
    wanted = msgspec.convert({**_FIXED, "ports": ports}, core.ServiceSpec)
    of_others = {name: getattr(service.spec, name) for name in _GIVEN}
    numbers = tuple(msgspec.structs.replace(port, node_port=0) for port in service.spec.ports)
    return msgspec.structs.replace(wanted, **of_others) == msgspec.structs.replace(service.spec, ports=numbers)
