"""Hosts of ServiceEntries and what pods may reach beyond the registry, judged on the objects as Istio's pages say.

For `tandem explain`: which entry a pod means by a name, what is behind it, and whether the pod may go there at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from tandem.base.problems import Origin
from tandem.model.core import ConfigMap, Node, Pod
from tandem.model.egress import ServiceEntry, Sidecar
from tandem.model.ipam import IPAMBlock, IPPool
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference.ends import is_inside
from tandem.reference.support import ROOT


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What a name at a port is to a pod: the entry that has it, and addresses or names with their ports."""

    entry: ServiceEntry
    ends: tuple[tuple[str, int], ...]


def host_of(world: World, name: str, port: int, namespace: str) -> Host | None:
    """The entry that pods of a namespace mean by a name: their own, else the oldest they see; exact before wildcard."""
    found = [
        (e.metadata.namespace != namespace, pattern.startswith("*"), e.metadata.creation_timestamp or "", e.key, e)
        for e in world.sorted(ServiceEntry)
        for pattern in map(str.lower, e.spec.hosts)
        if _sees(e, namespace) and (pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:])))
    ]
    for *_, entry in sorted(found, key=lambda item: item[:-1]):
        if any(p.number == port for p in entry.spec.ports):
            return Host(entry=entry, ends=tuple(_ends(entry, name, port)))
    return None


def known_at(world: World, address: str, port: int, namespace: str) -> bool:
    """Whether some entry that is seen may be meant by an address: one that names it, or is told by names alone."""
    for entry in world.sorted(ServiceEntry):
        if _sees(entry, namespace) and any(p.number == port for p in entry.spec.ports):
            given = [ipaddress.ip_network(text, strict=False) for text in entry.spec.addresses]
            if given and entry.spec.resolution not in {"NONE", "DYNAMIC_DNS"} and _is_of_pods(world, address):
                continue  # what is for a pod is led nowhere else
            if not given or any(ipaddress.ip_address(address) in network for network in given):
                return True
    return False


def _is_of_pods(world: World, address: str) -> bool:
    given = [*(pool.spec.cidr for pool in world.sorted(IPPool)), *(b.spec.cidr for b in world.sorted(IPAMBlock))]
    given += [cidr for node in world.sorted(Node) for cidr in (*node.spec.pod_cidrs, node.spec.pod_cidr)]
    return any(is_inside(address, prefix) for prefix in given)


def _sees(entry: ServiceEntry, namespace: str) -> bool:
    exported = entry.spec.export_to or ("*",)
    return bool({"*", namespace} & set(exported)) or ("." in exported and entry.metadata.namespace == namespace)


def _ends(entry: ServiceEntry, name: str, number: int) -> Iterator[tuple[str, int]]:
    port = next(p for p in entry.spec.ports if p.number == number)
    target = port.target_port or port.number
    for endpoint in entry.spec.endpoints:
        yield endpoint.address, endpoint.ports.get(port.name, target)
    if not entry.spec.endpoints and entry.spec.workload_selector is None:
        yield name, number if entry.spec.resolution == "NONE" else target


def refusal(world: World, pod: Pod, host: Host | None, name: str) -> Origin | None:
    """What refuses a connection of a pod in the mesh to a host outside; None: it may go on."""
    sidecar = _sidecar(world, pod)
    seen = host is not None and (sidecar is None or _in_view(sidecar, pod, host.entry.metadata.namespace, name))
    policy = sidecar.spec.outbound_traffic_policy if sidecar is not None else None
    if seen:
        return None
    if sidecar is not None and policy is not None:
        return None if policy.mode == "ALLOW_ANY" else sidecar.origin("spec.outboundTrafficPolicy")
    return _mesh(world)


def hidden(world: World, pod: Pod, service: tuple[str, str], port: int, domain: str) -> Origin | None:
    """The Sidecar that does not show a pod the port of a Service (namespace, name): the proxy does not know it then."""
    sidecar = _sidecar(world, pod)
    namespace, name = service
    if sidecar is None or _in_view(sidecar, pod, namespace, f"{name}.{namespace}.svc.{domain}", port):
        return None
    return sidecar.origin("spec.egress")


def _sidecar(world: World, pod: Pod) -> Sidecar | None:
    every = sorted(world.all(Sidecar).values(), key=lambda s: (s.metadata.creation_timestamp or "", s.key))
    for namespace, selected in ((pod.metadata.namespace, True), (pod.metadata.namespace, False), (ROOT, False)):
        for sidecar in every:
            labels = sidecar.spec.workload_selector.labels if sidecar.spec.workload_selector is not None else {}
            fits = matches_map(labels, pod.metadata.labels) if selected else not labels
            if sidecar.metadata.namespace == namespace and fits:
                return sidecar
    return None


def _in_view(sidecar: Sidecar, pod: Pod, namespace: str, name: str, port: int = 0) -> bool:
    """`port`: listeners for another one show nothing; 0: any."""
    if not sidecar.spec.egress:
        return True
    listeners = (e for e in sidecar.spec.egress if e.port is None or not port or e.port.number in {0, port})
    for text in (text for listener in listeners for text in listener.hosts):
        where, _, pattern = text.lower().partition("/")
        home = pod.metadata.namespace if where == "." else where
        named = pattern in {"*", name} or (pattern.startswith("*.") and name.endswith(pattern[1:]))
        if home in {"*", namespace} and named:
            return True
    return False


def _mesh(world: World) -> Origin | None:
    config = world.get(ConfigMap, ROOT, "istio")
    if config is None:
        return None
    at = config.origin("data.mesh")
    try:
        mesh: Any = yaml.safe_load(config.data.get("mesh") or "")
    except yaml.YAMLError:
        return at
    if mesh is not None and not isinstance(mesh, dict):
        return at
    policy = mesh.get("outboundTrafficPolicy") if mesh else None
    return None if policy is None or policy == {"mode": "ALLOW_ANY"} else at


def is_address(text: str) -> bool:
    """False for a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
