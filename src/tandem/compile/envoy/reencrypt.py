"""TLS between a gateway and its backends: which of its clusters speak it, and how. Pure.

Such a cluster has a name of its own beside the one that speaks mTLS of the mesh, or plain text: what Envoy refuses is
then nowhere, and never what it was before TLS was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tandem.base.problems import Origin
from tandem.compile import names
from tandem.ir.fabric import AppProtocol, Service, ServicePort
from tandem.ir.gateway import BackendTls, Gateway
from tandem.ir.traffic import PortTraffic, Subset, TrafficPolicy


def secured(gateway: Gateway) -> tuple[str, ...]:
    """The shared clusters, each with all of its subsets, in whose place the gateway has some that speak TLS."""
    return tuple(map(_shared, gateway.backend_tls))


def _shared(one: BackendTls) -> str:
    return names.service_cluster(one.namespace, one.service, one.port)


def is_secured(cluster: str, among: Iterable[str]) -> bool:
    """True for one of them, or a subset of it."""
    return any(cluster == name or cluster.startswith(f"{name}/") for name in among)


def origins_of(cluster: str, every: Iterable[BackendTls]) -> frozenset[Origin]:
    """The policies that say how the connections of a shared cluster are opened."""
    return frozenset(one.origin for one in every if is_secured(cluster, (_shared(one),)))


def traffic_over(policy: TrafficPolicy | None, service: Service, every: Iterable[BackendTls]) -> TrafficPolicy:
    """What holds for connections to a Service, in which those to ports that speak TLS are opened so."""
    found = policy if policy is not None else TrafficPolicy(namespace=service.namespace, service=service.name)
    asked = {one.port: one for one in every if (one.namespace, one.service) == (service.namespace, service.name)}
    return msgspec.structs.replace(
        found,
        ports=_ports(found, None, asked),
        subsets=tuple(msgspec.structs.replace(subset, ports=_ports(found, subset, asked)) for subset in found.subsets),
    )


def _ports(policy: TrafficPolicy, subset: Subset | None, asked: dict[int, BackendTls]) -> tuple[PortTraffic, ...]:
    others = tuple(p for p in (subset.ports if subset is not None else policy.ports) if p.port not in asked)
    secure = (
        PortTraffic(
            port=port,
            traffic=msgspec.structs.replace(policy.of(port, subset), tls=one.tls, origination=one.origination),
        )
        for port, one in sorted(asked.items())
    )
    return (*others, *secure)


def spoken(service: Service, every: Iterable[BackendTls], *, grpc: bool, questions: bool = False) -> Service:
    """The Service, of which a port that speaks TLS, and says no more, speaks gRPC in it where routes of gRPC lead.

    `questions`: of gRPC alone go there, whatever a port says of itself.
    """
    if questions:
        every_one = (
            msgspec.structs.replace(p, app=AppProtocol.GRPC) if p.protocol == "TCP" else p for p in service.ports
        )
        return msgspec.structs.replace(service, ports=tuple(every_one))
    asked = {one.port for one in every if (one.namespace, one.service) == (service.namespace, service.name)}
    if not grpc or not asked:
        return service

    def port(one: ServicePort) -> ServicePort:
        says = one.app.is_http or one.port not in asked or one.protocol != "TCP"
        return one if says else msgspec.structs.replace(one, app=AppProtocol.GRPC)

    return msgspec.structs.replace(service, ports=tuple(map(port, service.ports)))
