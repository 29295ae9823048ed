"""Small builders of model objects for tests: `pod("a", app="web")`, `policy("p", ...)`, `world(...)`.

Everything goes through `model.parse`, so that a test cannot build what the API would refuse.
"""

from __future__ import annotations

import itertools
from typing import Any, cast

import yaml

from tandem.base.digest import digest
from tandem.cluster.endpoints import publish_endpoints
from tandem.cluster.writes import Create
from tandem.model import core
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.closing import CLOSING, read_policy
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World

_SERIAL = itertools.count(1)
Raw = dict[str, Any]


def address_of(namespace: str, name: str) -> str:
    """A stable address per name, in 10.244.0.0/16."""
    number = int(digest(f"{namespace}/{name}", 8), 16)
    return f"10.244.{number // 250 % 250}.{number % 250 + 2}"


def pod(
    name: str,
    *,
    namespace: str = "default",
    ip: str | tuple[str, ...] | None = None,
    node: str = "node-1",
    ports: dict[str, int] | list[Raw] | None = None,
    phase: str = "Running",
    host_network: bool = False,
    uid: str = "",
    spec: Raw | None = None,
    labels: dict[str, str] | None = None,
    **more_labels: str,
) -> core.Pod:
    """A running pod with an address; `ports` names container ports (TCP)."""
    given = (ip,) if isinstance(ip, str) else ip
    addresses = (address_of(namespace, name),) if given is None else given
    listed = ports if isinstance(ports, list) else [{"name": k, "containerPort": v} for k, v in (ports or {}).items()]
    raw: Raw = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{namespace}-{name}",
            "labels": {**(labels or {}), **more_labels},
        },
        "spec": {
            "nodeName": node,
            "hostNetwork": host_network,
            "containers": [{"name": "main", "image": "host", "ports": listed}],
            **(spec or {}),
        },
        "status": {"phase": phase, "podIPs": [{"ip": a} for a in addresses]},
    }
    return cast("core.Pod", parse(raw))


def namespace(name: str, **labels: str) -> core.Namespace:
    """A Namespace."""
    raw = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    return cast("core.Namespace", parse(raw))


def node(
    name: str, *, zone: str = "", ready: str = "True", cpus: str = "", names: str = "", **labels: str
) -> core.Node:
    """A node with this condition Ready, in a zone (empty: in none), which has told these names of containers."""
    meta: Raw = {"name": name, "labels": {**labels, **({core.ZONE: zone} if zone else {})}}
    meta |= {"annotations": {core.NETWORK_NAMES: names}} if names else {}
    status: Raw = {
        "conditions": [{"type": "Ready", "status": ready}],
        **({"allocatable": {"cpu": cpus}} if cpus else {}),
    }
    spec = {"podCIDR": "10.244.0.0/24"} if names else {}
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": spec, "status": status}
    return cast("core.Node", parse(raw))


def policy(
    name: str = "p", *, ns: str = "default", source: str = "", notes: dict[str, str] | None = None, **spec: Any
) -> NetworkPolicy:
    """A NetworkPolicy; keywords are the fields of its spec (`podSelector={...}, ingress=[...]`)."""
    meta: Raw = {"name": name, "namespace": ns, "uid": f"uid-np-{ns}-{name}"}
    if source or notes:
        meta["annotations"] = {**({"tandem.io/source": source} if source else {}), **(notes or {})}
    raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec}
    return cast("NetworkPolicy", parse(raw))


def cluster_policy(
    name: str = "c", *, kind: str = "ClusterNetworkPolicy", notes: dict[str, str] | None = None, **spec: Any
) -> ClusterNetworkPolicy | AdminNetworkPolicy | BaselineAdminNetworkPolicy:
    """A policy of the tiers; unless told it is of tier Admin, priority 10, and its subject is every pod."""
    meta: Raw = {"name": name, "uid": f"uid-cnp-{name}", "annotations": notes or {}}
    common: Raw = {"subject": {"namespaces": {}}}
    if kind == "ClusterNetworkPolicy":
        version, common = "v1beta1", {"tier": "Admin", "priority": 10, **common}
    else:
        version = "v1alpha1"
        common |= {"priority": 10} if kind == "AdminNetworkPolicy" else {}
    raw = {"apiVersion": f"policy.networking.k8s.io/{version}", "kind": kind, "metadata": meta}
    return cast("ClusterNetworkPolicy", parse({**raw, "spec": {**common, **spec}}))


def service(
    name: str,
    *,
    ns: str = "default",
    ip: str = "",
    ports: list[Raw] | None = None,
    selector: dict[str, str] | None = None,
    **spec: Any,
) -> core.Service:
    """A Service; without `ip` it gets the next address of 10.96.1.0/24; one TCP port 80 unless told."""
    cluster_ip = ip or f"10.96.1.{next(_SERIAL) % 250 + 1}"
    raw = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": ns, "uid": f"uid-svc-{ns}-{name}"},
        "spec": {
            "clusterIP": cluster_ip,
            "clusterIPs": [cluster_ip],
            "selector": selector if selector is not None else {"app": name},
            "ports": ports or [{"port": 80}],
            **spec,
        },
    }
    return cast("core.Service", parse(raw))


def endpoint_slice(
    of: core.Service, pods: list[core.Pod], *, ports: dict[str, int] | None = None, name: str = ""
) -> core.EndpointSlice:
    """The slice of a Service with these pods, all ready; `ports` maps port names to numbers."""
    numbers = ports if ports is not None else {p.name: int(p.target_port or p.port) for p in of.spec.ports}
    raw: Raw = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name or f"{of.metadata.name}-1",
            "namespace": of.metadata.namespace,
            "labels": {"kubernetes.io/service-name": of.metadata.name},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": list(p.addresses),
                "conditions": {"ready": True},
                "nodeName": p.spec.node_name,
                "targetRef": {
                    "kind": "Pod",
                    "namespace": p.metadata.namespace,
                    "name": p.metadata.name,
                    "uid": p.metadata.uid,
                },
            }
            for p in pods
        ],
        "ports": [{"name": k, "port": v, "protocol": "TCP"} for k, v in numbers.items()],
    }
    return cast("core.EndpointSlice", parse(raw))


def sliced(*objects: Object) -> World:
    """A World of these objects in which every Service has the EndpointSlices that the controller makes."""
    made = World.of(objects)
    return World.of([*objects, *(parse(w.raw) for w in publish_endpoints(made) if isinstance(w, Create))])


def world(*objects: Object) -> World:
    """A synced World of these objects."""
    return World.of(objects)


def from_yaml(text: str) -> list[Object]:
    """The objects of a YAML stream; without a namespace they are in `default`, as on the API."""
    found = [raw for raw in yaml.safe_load_all(text) if raw]
    for raw in found:
        if BY_KIND[raw["kind"]].namespaced:
            raw["metadata"].setdefault("namespace", "default")
    return [read_policy(raw) if raw["kind"] in CLOSING else parse(raw) for raw in found]
