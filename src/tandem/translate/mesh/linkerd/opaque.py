"""What Linkerd's objects say to be bytes at Services: opaquePorts of profiles, and Servers of the pods behind. Pure.

Whoever calls such a port is to look at nothing: a server that speaks first would be waited for. Servers are looked up
among pods, so that a World without one that says `opaque` costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tandem.model.core import Pod, Service
from tandem.model.linkerd import Server
from tandem.model.linkerdprofile import ServiceProfile
from tandem.model.selected import Selected, target_port
from tandem.model.selectors import matches
from tandem.model.speakers import ports_among
from tandem.model.world import World
from tandem.translate.mesh.context import resolve_host
from tandem.translate.mesh.linkerd.read import BYTES, ports_of

Opaque = Mapping[str, frozenset[int]]
"""Ports by `namespace/service`."""
NOTHING: Final[Opaque] = {}


def read_opaque(world: World, cluster_domain: str) -> Opaque:
    """Of all Services; the profile of a consumer says nothing of what others call."""
    found: dict[str, set[int]] = {}
    for profile in world.sorted(ServiceProfile):
        key = resolve_host(profile.metadata.name, profile.metadata.namespace, cluster_domain)
        service = world.get(Service, *key) if key is not None and profile.spec.opaque_ports else None
        if service is not None and service.metadata.namespace == profile.metadata.namespace:
            numbers = [port.port for port in service.spec.ports]
            found.setdefault("/".join(service.key), set()).update(ports_among(profile.spec.opaque_ports, numbers)[0])
    for service, port in _behind_servers(world):
        found.setdefault("/".join(service.key), set()).add(port)
    return {key: frozenset(ports) for key, ports in sorted(found.items()) if ports}


def _behind_servers(world: World) -> Iterable[tuple[Service, int]]:
    """Ports of Services behind one of whose pods a Server is of bytes."""
    servers: dict[str, list[Server]] = {}
    for server in world.oldest_first(Server):
        servers.setdefault(server.metadata.namespace, []).append(server)
    asked = {home: own for home, own in servers.items() if any(s.spec.proxy_protocol in BYTES for s in own)}
    if not asked:
        return
    selected = Selected(service for service in world.sorted(Service) if service.metadata.namespace in asked)
    for pod in world.sorted(Pod):
        ports = _of_bytes(pod, asked.get(pod.metadata.namespace, ()))
        for service in selected.of(pod) if ports else ():
            for port in service.spec.ports:
                if port.protocol == "TCP" and target_port(port, pod) in ports:
                    yield service, port.port


def _of_bytes(pod: Pod, servers: Iterable[Server]) -> frozenset[int]:
    """Of two Servers at one port the older one counts."""
    taken: dict[int, Server] = {}
    for server in servers:
        selector = server.spec.pod_selector
        if selector is not None and matches(selector, pod.metadata.labels):
            for port in ports_of(pod, server.spec.port):
                taken.setdefault(port, server)
    return frozenset(port for port, server in taken.items() if server.spec.proxy_protocol in BYTES)
