"""What is behind a Service: the endpoints of its EndpointSlices that get new connections.

In: the World and a Share. Out: Parties, each with the address and port that are dialled there.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.base.addresses import IPV4, IPV6, family
from tandem.model import core
from tandem.model.consulmeta import traits_of
from tandem.model.world import World
from tandem.reference.request import Share
from tandem.views.parties import Party


def endpoints(world: World, share: Share, version: int, *, protocol: str = "TCP") -> list[Party]:
    """The ready ones behind a share; where there is none, those that still serve while they terminate.

    `version`: the family of their addresses; 0: that which the Service prefers.
    """
    service = world.get(core.Service, share.namespace, share.service)
    ports = service.spec.ports if service is not None else ()
    port = next((p for p in ports if p.port == share.port and p.protocol == protocol), None)
    if service is None or port is None:
        return []
    wanted = version or preferred(service)
    found = [each for each in _every(world, service, port) if family(each[0].addresses[0]) == wanted]
    ready = [(end, number) for end, number in found if end.conditions.ready is not False]
    last = [(end, number) for end, number in found if end.conditions.serving and end.conditions.terminating]
    parties = (party_at(world, end.addresses[0], number, end.target_ref) for end, number in ready or last)
    labels = dict(share.labels).items()
    return [p for p in parties if not labels or (p.pod is not None and labels <= traits_of(p.pod.metadata).items())]


def party_at(world: World, address: str, port: int, target: core.TargetRef | None = None) -> Party:
    """The pod that has the address, or what is there beyond the cluster."""
    pod = world.pod_at(address)
    if pod is not None:
        return Party.of_pod(pod, port=port, version=family(address))
    if target is not None and target.kind == "Pod":
        pod = world.get(core.Pod, target.namespace, target.name)  # on its node's network
    name = address if pod is None else "/".join(pod.key)
    return Party(label=f"{name}:{port}", address=address, port=port, pod=pod)


def _every(world: World, service: core.Service, port: core.ServicePort) -> Iterator[tuple[core.SliceEndpoint, int]]:
    """Sorted, each once."""
    found = {
        (end.addresses[0], known.port): end
        for piece in world.slices_by_service.get(service.key, ())
        if piece.address_type in {"IPv4", "IPv6"}
        for known in piece.ports
        if known.name == port.name and known.port
        for end in piece.endpoints
    }
    for (_, number), end in sorted(found.items(), key=lambda each: each[0]):
        yield end, int(number or 0)


def headless(world: World, end: Party) -> Share | None:
    """The headless Service that a pod's own address belongs to: its clients dial pods."""
    for service in world.sorted(core.Service):
        if service.spec.cluster_ip != "None":
            continue
        for port in service.spec.ports:
            share = Share(namespace=service.metadata.namespace, service=service.metadata.name, port=port.port)
            ends = endpoints(world, share, family(end.address))
            if any((e.address, e.port) == (end.address, end.port) for e in ends):
                return share
    return None


def version(world: World, share: Share, target: Party) -> int:
    """The family in which its endpoints are reached: that of the address that was dialled, if it is the share's."""
    if target.service is not None and target.service.key == (share.namespace, share.service):
        return family(target.address) if target.address not in {"", "None"} else preferred(target.service)
    service = world.get(core.Service, share.namespace, share.service)
    return preferred(service) if service is not None else 0


def preferred(service: core.Service) -> int:
    """The family that a Service prefers."""
    return IPV6 if service.spec.ip_families[:1] == ("IPv6",) else IPV4
