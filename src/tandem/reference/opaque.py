"""Whether Linkerd's objects say that a port of a Service is bytes, so that no proxy looks at what is sent there.

Judged on the objects, for `tandem explain`; shares no code with translation.
"""

from __future__ import annotations

from tandem.model import core
from tandem.model.linkerdprofile import ServiceProfile
from tandem.model.world import World
from tandem.reference.servers import server_at


def is_opaque(world: World, service: core.Service, port: int) -> bool:
    """By the profile beside the Service, or the Server at the port of some pod behind it."""
    home, name = service.key
    profile = world.get(ServiceProfile, home, f"{name}.{home}.svc.cluster.local")
    if profile is not None and any(_within(port, text) for text in profile.spec.opaque_ports):
        return True
    wanted = service.spec.selector.items()
    behind = [p for p in world.sorted(core.Pod) if p.metadata.namespace == home and wanted <= p.metadata.labels.items()]
    ports = [one for one in service.spec.ports if one.port == port and one.protocol == "TCP"]
    return bool(wanted) and any(_is_of_bytes(world, pod, one) for pod in behind for one in ports)


def _is_of_bytes(world: World, pod: core.Pod, port: core.ServicePort) -> bool:
    target = port.target_port or port.port
    offered = [p for c in pod.spec.containers for p in c.ports if p.name == target and p.protocol == "TCP"]
    numbers = [target] if isinstance(target, int) else [p.container_port for p in offered[:1]]
    servers = [server_at(world, pod, number) for number in numbers]
    return any(server is not None and server.spec.proxy_protocol in {"opaque", "TLS"} for server in servers)


def _within(port: int, text: str) -> bool:
    first, _, last = text.strip().partition("-")
    return first.isdecimal() and (last or first).isdecimal() and int(first) <= port <= int(last or first)
