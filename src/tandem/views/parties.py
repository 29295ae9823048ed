"""FROM and TO of `tandem explain`: `[NS/]POD`, `[NS/]deploy/NAME`, `[NS/]svc/NAME` or an address, TO with `:PORT`.

TO may also be `[NS/]gateway/NAME`, of the Gateway API or of Istio, or a domain name: something with a dot that is no
pod.

In: the World and what the user wrote. Out: a Party; ExplainError says what is wrong with the words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tandem.base.addresses import family
from tandem.cluster.writes import controller_of
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.istiogateway import IstioGateway
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference.ingress import served
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.services import fronts

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


class ExplainError(ValueError):
    """FROM or TO names nothing, or leaves open what is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One end of the question, resolved."""

    label: str
    address: str = ""
    port: int = 0
    pod: core.Pod | None = None
    service: core.Service | None = None
    gateway: Gateway | IngressGateway | None = None
    domain: str = ""
    """A domain name: lower case, without the dot at the end."""

    @classmethod
    def of_pod(cls, pod: core.Pod, *, port: int = 0, version: int = 0) -> Party:
        """A pod as an end, at its address of that family (0: at its first) where it has one."""
        where = f"{pod.metadata.namespace}/{pod.metadata.name}"
        address = next((a for a in pod.addresses if family(a) == version), next(iter(pod.addresses), ""))
        return cls(label=f"{where}:{port}" if port else where, address=address, port=port, pod=pod)

    def facing(self, other: Party) -> Party:
        """The same end as it meets another: a pod has an address of each family."""
        return Party.of_pod(self.pod, port=self.port, version=family(other.address)) if self.pod else self


def source_of(world: World, text: str, namespace: str) -> Party:
    """FROM; a Service stands for one of the pods behind it."""
    if not text:
        raise ExplainError("FROM is empty: [NS/]POD, [NS/]deploy/NAME, [NS/]svc/NAME or an address")
    party = _resolve(world, text, namespace)
    if party.gateway is not None:
        raise ExplainError(f"{text}: nothing begins at a gateway; ask from the address of a client")
    if party.service is None:
        return party
    pod = _first(p for p in world.sorted(core.Pod) if _behind(party.service, p))
    if pod is None:
        raise ExplainError(f"{text}: no pod is behind this Service")
    return Party.of_pod(pod)


def destination_of(world: World, text: str, namespace: str) -> Party:
    """TO; without a port, a Service with one port means that one, and a pod the only port that it declares."""
    if not text:
        raise ExplainError("TO is empty: [NS/]POD[:PORT], [NS/]deploy/NAME, [NS/]svc/NAME or an address")
    name, port = _split_port(text)
    party = _domain(world, name, namespace) or _resolve(world, name, namespace)
    ports = _ports(world, party)
    if port == 0:
        if len(ports) != 1:
            known = ", ".join(map(str, ports)) or "none is declared"
            where = f"[{name}]" if ":" in name else name
            raise ExplainError(f"{text}: which port? Write {where}:PORT ({known})")
        port = ports[0]
    if party.service is not None and port not in ports:
        raise ExplainError(f"{text}: the Service has no port {port}; it has {', '.join(map(str, ports)) or 'none'}")
    return Party(
        label=f"{party.label}:{port}",
        address=party.address,
        port=port,
        pod=party.pod,
        service=party.service,
        gateway=party.gateway,
        domain=party.domain,
    )


def _domain(world: World, text: str, namespace: str) -> Party | None:
    """A name of DNS, if it can be nothing else."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    is_name = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    if not is_name or world.get(core.Pod, namespace, text) is not None:
        return None
    return Party(label=name, domain=name)


def _resolve(world: World, text: str, namespace: str) -> Party:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        address = ""
    if address:
        return _address(world, address)
    parts = text.split("/")
    kinds = {"deploy", "deployment", "svc", "service", "pod", "gateway", "gw"}
    space = parts.pop(0) if len(parts) > 1 and parts[0] not in kinds else namespace
    kind = parts.pop(0) if len(parts) > 1 else "pod"
    if len(parts) != 1 or kind not in kinds or not parts[0]:
        raise ExplainError(f"{text}: write [NS/]POD, [NS/]deploy/NAME, [NS/]svc/NAME or an address")
    name = parts[0]
    if kind in {"svc", "service"}:
        service = world.get(core.Service, space, name)
        if service is None:
            raise ExplainError(f"no Service {space}/{name}")
        return Party(label=f"{space}/svc/{name}", address=service.spec.cluster_ip, service=service)
    if kind in {"gateway", "gw"}:
        return _gateway(world, space, name)
    if kind in {"deploy", "deployment"}:
        return Party.of_pod(_of_deployment(world, space, name))
    pod = world.get(core.Pod, space, name)
    if pod is None:
        raise ExplainError(f"no Pod {space}/{name} (a Deployment is written {space}/deploy/NAME)")
    return Party.of_pod(pod)


def _address(world: World, address: str) -> Party:
    """A pod's or a Service's address is that pod or Service; any other one is outside."""
    for pod in world.sorted(core.Pod):
        if address in pod.addresses and not pod.finished:
            return Party.of_pod(pod, version=family(address))
    for service in world.sorted(core.Service):
        if address in (service.spec.cluster_ip, *service.spec.cluster_ips, *fronts(service)):
            return Party(
                label=f"{service.metadata.namespace}/svc/{service.metadata.name}", address=address, service=service
            )
    for gateway in world.sorted(Gateway):
        if address in _addresses(gateway):
            return _at_gateway(gateway, address)
    for ingress in world.sorted(IstioGateway):
        if any(address == own.value for own in ingress.status.addresses):
            return _at_ingress(ingress, address)
    return Party(label=address, address=address)


def _addresses(gateway: Gateway) -> tuple[str, ...]:
    """Those that it has; of manifests at rest, those that it asks for."""
    given = gateway.status.addresses or gateway.spec.addresses
    return tuple(address.value for address in given if address.value)


def _gateway(world: World, space: str, name: str) -> Party:
    """A Gateway of the Gateway API, or one of Istio's."""
    gateway, ingress = world.get(Gateway, space, name), world.get(IstioGateway, space, name)
    if gateway is not None and ingress is not None:
        raise ExplainError(f"there are two Gateways {space}/{name}, one of Istio's: ask about an address")
    if gateway is not None:
        return _at_gateway(gateway, next(iter(_addresses(gateway)), ""))
    if ingress is None:
        raise ExplainError(f"no Gateway {space}/{name}")
    if ingress not in served(world):
        raise ExplainError(f"Gateway {space}/{name} selects something else than the gateway of this cluster")
    return _at_ingress(ingress, next((address.value for address in ingress.status.addresses), ""))


def _at_ingress(ingress: IstioGateway, address: str) -> Party:
    """All of Istio's Gateways share one, at the same address."""
    namespace, name = ingress.key
    return Party(label=f"{namespace}/gateway/{name}", address=address, gateway=IngressGateway())


def _at_gateway(gateway: Gateway, address: str) -> Party:
    return Party(label=f"{gateway.key[0]}/gateway/{gateway.key[1]}", address=address, gateway=gateway)


def _of_deployment(world: World, namespace: str, name: str) -> core.Pod:
    deployment = world.get(core.Deployment, namespace, name)
    if deployment is None:
        raise ExplainError(f"no Deployment {namespace}/{name}")
    pods = [p for p in world.sorted(core.Pod) if owned_by(deployment, p) and not p.finished and not p.terminating]
    pod = _first(p for p in pods if p.ready) or _first(iter(pods))
    if pod is None:
        raise ExplainError(f"Deployment {namespace}/{name} has no pods")
    return pod


def owned_by(deployment: core.Deployment, pod: core.Pod) -> bool:
    """By its controller; on a real cluster a ReplicaSet of the Deployment's name and the template's hash."""
    owner = controller_of(pod)
    if owner is None or pod.metadata.namespace != deployment.metadata.namespace:
        return False
    if owner.kind == "ReplicaSet":
        return owner.name == f"{deployment.metadata.name}-{pod.metadata.labels.get('pod-template-hash', '')}"
    return owner.kind == "Deployment" and owner.name == deployment.metadata.name


def _first(pods: Iterator[core.Pod]) -> core.Pod | None:
    return next(pods, None)


def _behind(service: core.Service, pod: core.Pod) -> bool:
    same = service.metadata.namespace == pod.metadata.namespace
    return same and not pod.finished and matches_map(service.spec.selector, pod.metadata.labels)


def _ports(world: World, party: Party) -> list[int]:
    if party.service is not None:
        return [p.port for p in party.service.spec.ports]
    if isinstance(party.gateway, IngressGateway):
        return sorted({server.port.number for one in served(world) for server in one.spec.servers})
    if party.gateway is not None:
        return sorted({listener.port for listener in party.gateway.spec.listeners})
    if party.pod is not None:
        return sorted({p.container_port for c in party.pod.spec.containers for p in c.ports})
    return []


def _split_port(text: str) -> tuple[str, int]:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        pass
    else:
        return bare, 0
    name, colon, port = text.rpartition(":")
    if not colon:
        return text, 0
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ExplainError(f"{text}: the port is a number from 1 to 65535")
    return name.strip("[]"), int(port)
