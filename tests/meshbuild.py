"""Builders of small node views for the tests of the mesh compilers."""

from __future__ import annotations

from typing import Any

from tandem.base.ids import ContainerId, NodeName, PodUid, SpiffeId
from tandem.base.problems import Origin
from tandem.ir.fabric import (
    AppProtocol,
    Endpoint,
    Endpoints,
    LocalPod,
    MeshConfig,
    MtlsMode,
    Node,
    PortMtls,
    Service,
    ServicePort,
)
from tandem.ir.mesh import RouteTable
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.traffic import TrafficPolicy

CONFIG = MeshConfig(
    trust_domain="cluster.local",
    cluster_domain="cluster.local",
    dns_addresses=("10.96.0.10",),
    service_cidrs=("10.96.0.0/16",),
)
NODE = Node(name=NodeName("n1"), addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/24",))
PEER_AUTH = Origin(kind="PeerAuthentication", namespace="shop", name="strict", path="spec.mtls")
RULE = Origin(kind="DestinationRule", namespace="shop", name="dr", path="spec")


def identity(name: str, namespace: str = "shop") -> SpiffeId:
    return SpiffeId(f"spiffe://cluster.local/ns/{namespace}/sa/{name}")


def attached(name: str, address: str, *, netns: str = "", namespace: str = "shop", **fields: Any) -> AttachedPod:
    pod = LocalPod(
        uid=PodUid(f"uid-{name}"),
        namespace=namespace,
        name=name,
        service_account=name,
        identity=identity(name, namespace),
        **({"meshed": True} | fields),
    )
    return AttachedPod(
        pod=pod,
        container_id=ContainerId(f"c-{name}"),
        addresses=(address,),
        host_ifname=f"v{name}",
        netns=netns or f"/run/tandem/netns/{name}",
    )


def strict(*ports: int) -> tuple[PortMtls, ...]:
    """STRICT for the given ports (0: all)."""
    rest = () if 0 in ports else (PortMtls(port=0, mode=MtlsMode.PERMISSIVE),)
    return (*rest, *(PortMtls(port=port, mode=MtlsMode.STRICT, origin=PEER_AUTH) for port in ports))


def service(name: str, ip: str, *ports: tuple[str, int, AppProtocol], namespace: str = "shop") -> Service:
    made = tuple(ServicePort(name=n, port=p, protocol="TCP", app=app) for n, p, app in ports)
    return Service(namespace=namespace, name=name, cluster_ips=(ip,) if ip else (), ports=made)


def endpoint(pod: AttachedPod, **ports: int) -> Endpoint:
    return Endpoint(
        address=pod.addresses[0],
        ports=tuple(sorted(ports.items())),
        pod=pod.pod.uid,
        pod_name=pod.pod.name,
        labels=pod.pod.labels,
        identity=pod.pod.identity if pod.pod.meshed else None,
    )


def endpoints(name: str, *members: Endpoint, namespace: str = "shop") -> Endpoints:
    return Endpoints(namespace=namespace, service=name, endpoints=members)


def view(*parts: AttachedPod | Service | Endpoints | RouteTable | TrafficPolicy, **fields: Any) -> NodeView:
    """A view of the parts, keyed as `ir/wire.py` says."""
    tables = {
        f"{t.namespace}/{t.service}" + (f"@{t.consumer}" if t.consumer else ""): t
        for t in parts
        if isinstance(t, RouteTable)
    }
    base: dict[str, Any] = {
        "node": NODE,
        "config": CONFIG,
        "pods": tuple(p for p in parts if isinstance(p, AttachedPod)),
        "services": {f"{p.namespace}/{p.name}": p for p in parts if isinstance(p, Service)},
        "endpoints": {f"{p.namespace}/{p.service}": p for p in parts if isinstance(p, Endpoints)},
        "tables": tables,
        "policies": {f"{p.namespace}/{p.service}": p for p in parts if isinstance(p, TrafficPolicy)},
    }
    return NodeView(**(base | fields))
