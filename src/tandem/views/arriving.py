"""What comes of a client at a gateway before there is a route: the way of a pod to it, and the gateway's own policies.

A pod's packets are judged as what they become on its node: the node's own address, and the port there that is the
gateway's.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tandem.base.addresses import family
from tandem.cluster.nodes import own_prefixes
from tandem.compile.addresses import own_addresses
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.gatewayservices import standing_for
from tandem.model.world import World
from tandem.reference import hosts, policy
from tandem.reference.authentication import authenticate
from tandem.reference.authorization import Asked, decide_authorization
from tandem.reference.authorizers import trusted_proxies
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.listeners import REQUESTS, SECURE
from tandem.reference.mtls import in_mesh
from tandem.translate.balancers import assign_addresses
from tandem.translate.gateway import translate_gateways
from tandem.translate.ingress import add_ingress
from tandem.translate.ingress.workload import key_of
from tandem.translate.options import Options
from tandem.views.parties import Party
from tandem.views.ways import Line, Question, known_names, policy_lines


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in, and with which headers it goes on; `denied`: the rules that refuse it."""

    lines: tuple[Line, ...]
    headers: dict[str, str] = {}
    denied: tuple[Line, ...] = ()


class Arriving(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks at which gateway: for a host, with a name in TLS, by one of these protocols."""

    source: Party
    target: Party
    gateway: Gateway | IngressGateway
    host: str
    sni: str
    protocols: Collection[str]


def leave(world: World, question: Question, source: Party, target: Party) -> Came:
    """The way of a client to the gateway; one outside the cluster is taken for one that gets there."""
    pod = source.pod
    if pod is None:
        return Came(lines=())
    node = world.get(core.Node, "", pod.spec.node_name)
    own = own_addresses(own_prefixes(node)) if node is not None else {}
    packet = policy.Packet(
        source=source.facing(target).address,
        source_pod=pod.key,
        destination=own.get(family(target.address), target.address),
        protocol=target.protocol,
        port=_port_at_node(world, question, target),
    )
    decision = policy.decide(world, packet, dns_addresses=question.dns_addresses, names=known_names(question, source))
    lines = policy_lines(decision)
    denied = tuple(Line(layer="egress policy", effect="denies", rule=origin) for origin in decision.by)
    if in_mesh(pod, world)[0]:
        by = hosts.refusal(world, pod, None, target.address)
        known = hosts.known_at(world, target.address, target.port, pod.metadata.namespace)
        if by is not None and not known and not _at_service(world, target):
            line = Line(layer="outbound", effect="denies", text="no ServiceEntry that the pod sees has it", rule=by)
            lines.append(line)
            denied = (*denied, line)
    return Came(lines=tuple(lines), denied=denied)


def _at_service(world: World, target: Party) -> bool:
    """The Service that stands for the gateway is dialled, which is one of the mesh."""
    service = standing_for(world, target.gateway) if isinstance(target.gateway, Gateway) else None
    return service is not None and target.address in (service.spec.cluster_ip, *service.spec.cluster_ips)


def _port_at_node(world: World, question: Question, target: Party) -> int:
    """Which port of the node is the gateway's; the one that was dialled where nobody listens."""
    options = Options(service_cidrs=question.service_cidrs)
    balancers = assign_addresses(world)
    edge = translate_gateways(world, options, balancers)
    key = target.gateway.key if isinstance(target.gateway, Gateway) else key_of(options)
    if isinstance(target.gateway, IngressGateway):
        edge = add_ingress(world, options, edge, balancers, {})
    made = edge.gateways.get(f"{key[0]}/{key[1]}")
    return next((port.target for port in made.ports if port.port == target.port), target.port) if made else target.port


def judge(world: World, question: Question, arriving: Arriving) -> Came:
    """By the policies of the gateway, which judge requests before there is a route, and connections."""
    source, target = arriving.source, arriving.target
    headers = {name: value for name, value in question.headers if name != "host"}
    parsed, secure = bool(set(arriving.protocols) & set(REQUESTS)), bool(set(arriving.protocols) & set(SECURE))
    path, lines = question.path or "/", list[Line]()
    address = source.facing(target).address
    asked = Asked(
        source=address,
        client=_client(world, address, headers) if parsed else "",
        sni=arriving.sni if secure else "",
        destination=target.address,
        port=target.port,
        parsed=parsed,
        method=question.method or "GET",
        path=path,
        host=arriving.host,
        headers=headers | {"host": arriving.host},
    )
    if parsed:
        token = authenticate(world, arriving.gateway, path, headers)
        lines += [Line(layer="authentication at the gateway", effect=s.text, rule=s.origin) for s in token.steps]
        headers, asked = dict(token.headers), msgspec.structs.replace(asked, claims=token.claims)
        if token.by:
            denied = tuple(line for line in lines if line.rule in token.by)
            return Came(lines=tuple(lines), denied=denied)
    decision = decide_authorization(world, arriving.gateway, asked)
    layer = "authorization at the gateway"
    lines += [Line(layer=layer, effect=s.text, rule=s.origin) for s in decision.steps]
    refused = tuple(Line(layer=layer, effect="denies", rule=origin) for origin in decision.by)
    return Came(lines=tuple(lines), headers=headers, denied=() if decision.allowed else refused)


def _client(world: World, address: str, headers: dict[str, str]) -> str:
    """Who the last so many proxies say that the client is; what fewer have said counts for nothing."""
    hops = trusted_proxies(world)
    said = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    return said[-hops] if 0 < hops <= len(said) else address
