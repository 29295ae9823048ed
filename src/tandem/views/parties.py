"""FROM and TO of `tandem explain`: `[NS/]POD`, `[NS/]deploy/NAME`, `[NS/]svc/NAME`, `node/NAME` or an address.

TO has `:PORT`, and may also be `[NS/]gateway/NAME`, of the Gateway API or of Istio, or a domain name: something with a
dot that is no pod.

In: the World and what the user wrote. Out: a Party; ExplainError says what is wrong with the words.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tandem.base.addresses import family
from tandem.cluster.nodes import own_prefixes
from tandem.cluster.writes import controller_of
from tandem.compile.addresses import node_address
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.gatewayservices import gateway_of
from tandem.model.istiogateway import IstioGateway
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference.ends import DNS
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.ingressservers import served
from tandem.reference.listeners import listeners_of
from tandem.reference.services import fronts, node_port_of
from tandem.views.names import Meaning, look_up
from tandem.views.ports import ExplainError, Port, choose, labelled, list_of, split_port

_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


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
    """A domain name outside the cluster: lower case, without the dot at the end."""
    protocol: str = "TCP"
    node: core.Node | None = None
    """The node whose address it is."""
    meaning: Meaning | None = None
    """What DNS makes of the name that was dialled."""

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
        raise ExplainError("FROM is empty: [NS/]POD, [NS/]deploy/NAME, [NS/]svc/NAME, node/NAME or an address")
    party = _resolve(world, text, namespace)
    if party.gateway is not None:
        raise ExplainError(f"{text}: nothing begins at a gateway; ask from the address of a client")
    if party.service is None:
        return party
    pod = _first(p for p in world.sorted(core.Pod) if _behind(party.service, p))
    if pod is None:
        raise ExplainError(f"{text}: no pod is behind this Service")
    return Party.of_pod(pod)


def destination_of(
    world: World,
    text: str,
    namespace: str,
    *,
    protocol: str = "",
    home: str = "",
    dns_addresses: tuple[str, ...] = DNS,
    domain: str = "cluster.local",
) -> Party:
    """TO; without a port, a Service with one port means that one, and a pod the only port that it declares.

    `home`: the namespace of the pod that asks for a name, where it is another one.
    """
    if not text:
        raise ExplainError("TO is empty: [NS/]POD[:PORT], [NS/]deploy/NAME, [NS/]svc/NAME, node/NAME or an address")
    name, wanted = split_port(text, protocol)
    party = _named(world, name, (namespace, home or namespace), domain) or _resolve(world, name, namespace)
    if party.address in dns_addresses and party.pod is None:
        party = Party(label="the cluster's DNS", address=party.address)
    known = _ports(world, party, dns_addresses)
    port = choose(name, wanted, known)
    if (party.service is not None or party.address in dns_addresses) and port.number and port not in known:
        whose = "the Service" if party.service is not None else party.label
        raise ExplainError(f"{text}: {whose} has no port {port}; it has {list_of(known)}")
    return _at(world, party, port)


def _at(world: World, party: Party, port: Port) -> Party:
    """The party at a port. At a node it may be that of a Service."""
    label, service = labelled(party.label, port), party.service
    if party.node is not None:
        service = node_port_of(world, port.number, port.protocol, party.address)
        label = f"{label} ({service.metadata.namespace}/svc/{service.metadata.name})" if service is not None else label
    if party.domain and party.meaning is not None and party.meaning.missing:
        label = f"{label} (outside: {party.meaning.missing})"
    return replace(party, label=label, service=service, port=port.number, protocol=port.protocol)


def _named(world: World, text: str, namespaces: tuple[str, str], domain: str) -> Party | None:
    """A name of DNS, if it can be nothing else: `namespaces` are that of the question and that of who asks."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    is_name = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    if not is_name or world.get(core.Pod, namespaces[0], text) is not None:
        return None
    meaning = look_up(world, text, namespaces[1], domain)
    if meaning.service is not None:
        return replace(_service(world, meaning.service), meaning=meaning)
    if meaning.address:
        return replace(_address(world, meaning.address), meaning=meaning)
    return Party(label=name, domain=meaning.outside, meaning=meaning)


def _resolve(world: World, text: str, namespace: str) -> Party:
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        address = ""
    if address:
        return _address(world, address)
    parts = text.split("/")
    kinds = {"deploy", "deployment", "svc", "service", "pod", "gateway", "gw", "node"}
    space = parts.pop(0) if len(parts) > 1 and parts[0] not in kinds else namespace
    kind = parts.pop(0) if len(parts) > 1 else "pod"
    if len(parts) != 1 or kind not in kinds or not parts[0]:
        raise ExplainError(f"{text}: write [NS/]POD, [NS/]deploy/NAME, [NS/]svc/NAME, node/NAME or an address")
    name = parts[0]
    if kind in {"svc", "service"}:
        service = world.get(core.Service, space, name)
        if service is None:
            raise ExplainError(f"no Service {space}/{name}")
        return _service(world, service)
    if kind in {"gateway", "gw"}:
        return _gateway(world, space, name)
    if kind == "node":
        return _node(world, name)
    if kind in {"deploy", "deployment"}:
        return Party.of_pod(_of_deployment(world, space, name))
    pod = world.get(core.Pod, space, name)
    if pod is None:
        raise ExplainError(f"no Pod {space}/{name} ({_other_kinds(world, space, name)})")
    return Party.of_pod(pod)


def _other_kinds(world: World, space: str, name: str) -> str:
    for kind, model in (("svc", core.Service), ("deploy", core.Deployment)):
        if world.get(model, space, name) is not None:
            return f"there is {space}/{kind}/{name}"
    return f"a Deployment is written {space}/deploy/NAME, a Service {space}/svc/NAME"


def _service(world: World, service: core.Service, address: str = "") -> Party:
    """One that stands for a Gateway is that Gateway, by another address."""
    gateway, address = gateway_of(world, service), address or service.spec.cluster_ip
    if gateway is not None:
        return _at_gateway(gateway, address)
    label = f"{service.metadata.namespace}/svc/{service.metadata.name}"
    return Party(label=label, address=address, service=service)


def _node(world: World, name: str) -> Party:
    """At the first address that it has."""
    node = world.get(core.Node, "", name)
    if node is None:
        raise ExplainError(f"no Node {name}")
    return Party(label=f"node/{name}", address=next(iter(_of_node(node)), ""), node=node)


def _of_node(node: core.Node) -> list[str]:
    """Its own addresses, and the first one of each of its pod prefixes."""
    return [*(a.address for a in node.status.addresses), *map(node_address, own_prefixes(node))]


def _given(service: core.Service) -> tuple[str, ...]:
    return (service.spec.cluster_ip, *service.spec.cluster_ips)


def _address(world: World, address: str) -> Party:
    """A pod's, a Service's, a gateway's or a node's address is that; any other one is outside."""
    for pod in world.sorted(core.Pod):
        if address in pod.addresses and not pod.finished:
            return Party.of_pod(pod, version=family(address))
    services = world.sorted(core.Service)
    for named in (_given, fronts):
        for service in services:
            if address in named(service):
                return _service(world, service, address)
    for gateway in world.sorted(Gateway):
        if address in _addresses(gateway):
            return _at_gateway(gateway, address)
    for ingress in world.sorted(IstioGateway):
        if any(address == own.value for own in ingress.status.addresses):
            return _at_ingress(ingress, address)
    node = next((node for node in world.sorted(core.Node) if address in _of_node(node)), None)
    return Party(label=f"node/{node.metadata.name}" if node is not None else address, address=address, node=node)


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


def _ports(world: World, party: Party, dns_addresses: tuple[str, ...]) -> list[Port]:
    """What it is known to serve."""
    if party.address in dns_addresses:
        return [Port(number=53, protocol="UDP", name="dns"), Port(number=53, protocol="TCP", name="dns-tcp")]
    if party.service is not None:
        return [Port(number=p.port, protocol=p.protocol, name=p.name) for p in party.service.spec.ports]
    if party.gateway is not None:
        return _listened(world, party.gateway)
    if party.pod is not None:
        declared = (p for c in party.pod.spec.containers for p in c.ports)
        return sorted(Port(number=p.container_port, protocol=p.protocol, name=p.name) for p in declared)
    if party.node is not None:
        every = (port for service in world.sorted(core.Service) for port in service.spec.ports)
        return sorted({Port(number=p.node_port, protocol=p.protocol) for p in every if p.node_port})
    return []


def _listened(world: World, gateway: Gateway | IngressGateway) -> list[Port]:
    if isinstance(gateway, IngressGateway):
        found = {server.port.number for one in served(world) for server in one.spec.servers}
        return [Port(number=number, protocol="TCP") for number in sorted(found)]
    every = (found.listener for found in listeners_of(world, gateway))
    return sorted({Port(number=one.port, protocol="UDP" if one.protocol == "UDP" else "TCP") for one in every})
