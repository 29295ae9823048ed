"""What the kernel makes of a Service's address: whom it chooses, on which node, and as whom the client is seen there.

For all that no proxy of the client takes: UDP and SCTP, TCP of clients outside the mesh, and every address of a Service
beside its own. In: the World, a Question, the client and the Service. Out: a Translated.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from tandem.base.addresses import family
from tandem.base.problems import Origin
from tandem.cluster.nodes import own_prefixes
from tandem.compile.addresses import own_addresses
from tandem.model import core
from tandem.model.world import World
from tandem.reference import policy
from tandem.reference.ends import is_inside
from tandem.reference.mtls import in_mesh
from tandem.reference.request import Share
from tandem.reference.services import Answer, Dialled, answer, is_own, ranges_for
from tandem.views.absent import why_nobody
from tandem.views.endpoints import endpoints, party_at, preferred
from tandem.views.parties import Party
from tandem.views.ports import ICMP
from tandem.views.ways import Line, Question, Way, known_names, policy_lines, way_to


class Translated(msgspec.Struct, frozen=True, kw_only=True):
    """`lines`: of the Service itself; `denied`: what keeps everybody away, of `lines`."""

    lines: tuple[Line, ...]
    ways: tuple[Way, ...] = ()
    denied: tuple[Line, ...] = ()


def by_kernel(world: World, question: Question, source: Party, target: Party) -> Translated:
    """The ways of a new connection from `source` to the Service of `target` at the address that is dialled."""
    service = target.service
    assert service is not None  # noqa: S101 - the caller looked
    if question.protocol == ICMP:
        text = "only TCP, UDP and SCTP are translated, and no link has the address: nobody answers a ping"
        return _denied([Line(layer="Service", effect="drops", text=text, rule=service.origin("spec.clusterIP"))])
    if target.address in {"", "None"}:
        return _headless(world, question, source, target)
    limit = _limit(service, source, target)
    if limit is not None and limit.effect == "denies":
        return _denied([limit])
    lines = [limit] if limit is not None else []
    left = _left(world, question, source, target)
    if left is not None:
        lines += policy_lines(left)
        if not left.allowed:
            rules = left.by or (None,)
            denied = tuple(Line(layer="egress policy", effect="denies", rule=rule) for rule in rules)
            return Translated(lines=tuple(lines), denied=denied)
    sender = _arriving(world, question, source, target)
    inner = (*_pod_prefixes(world), *question.service_cidrs)
    dialled = {node: _dialled(world, sender, target, node) for node in _meets(world, source, target)}
    asked = {node: answer(world, node, replace(one, inner=inner)) for node, one in dialled.items()}
    reached = {node: found for node, found in asked.items() if found.outcome == "reached"}
    if not reached:
        return _denied([*lines, *_unreached(world, target, asked)])
    lines += _told(world, sender, target, reached)
    dropping = _dropping(target, asked)
    lines += [dropping] if dropping is not None else []
    met = (_met(world, question, (source, sender), target, node, found) for node, found in sorted(reached.items()))
    ways = _merged((seen, way) for each in met for seen, way in each)
    return Translated(lines=tuple(lines), ways=tuple(ways))


def _denied(lines: list[Line]) -> Translated:
    """The last one says who denies; of endpoints all do."""
    denied = [line for line in lines if line.layer == "endpoints"] or lines[-1:]
    return Translated(lines=tuple(lines), denied=tuple(denied))


def _headless(world: World, question: Question, source: Party, target: Party) -> Translated:
    """DNS gives the pods themselves, and they are dialled at the port as it was written."""
    service = target.service
    assert service is not None  # noqa: S101 - the caller looked
    share = Share(namespace=service.metadata.namespace, service=service.metadata.name, port=target.port)
    ends = endpoints(world, share, preferred(service), protocol=question.protocol)
    if not ends:
        return _denied([*why_nobody(world, share, protocol=question.protocol)])
    text = f"it has no address of its own: DNS gives those of its endpoints, dialled at port {target.port}"
    lines = [Line(layer="Service", effect="is headless", text=text, rule=service.origin("spec.clusterIP"))]
    known = {end.address: party_at(world, end.address, target.port) for end in ends}
    ways = tuple(way_to(world, question, source, end, share=None) for end in known.values())
    return Translated(lines=tuple(lines), ways=ways)


def _limit(service: core.Service, source: Party, target: Party) -> Line | None:
    """A load balancer's address is for some sources alone, pods and nodes no exception."""
    ranges = ranges_for(service, target.address)
    if not ranges:
        return None
    address = source.facing(target).address
    here = next((prefix for prefix in ranges if is_inside(address, prefix.strip())), "")
    text = f"{address} is in {here}" if here else f"{address} is in none of {', '.join(ranges)}"
    rule = service.origin("spec.loadBalancerSourceRanges")
    return Line(layer="Service", effect="allows" if here else "denies", text=text, rule=rule)


def _left(world: World, question: Question, source: Party, target: Party) -> policy.Decision | None:
    """What policies say of the client's way to another node that translates for it; None: its own node does."""
    pod, node = source.pod, target.node
    if pod is None or node is None or pod.spec.node_name == node.metadata.name:
        return None
    packet = policy.Packet(
        source=source.facing(target).address,
        source_pod=pod.key,
        destination=target.address,
        protocol=question.protocol,
        port=target.port,
    )
    return policy.decide(world, packet, dns_addresses=question.dns_addresses, names=known_names(question, source))


def _meets(world: World, source: Party, target: Party) -> list[str]:
    """The nodes that may translate: that which was dialled, or the client's own, or any."""
    own = target.node or source.node
    if own is not None:
        return [own.metadata.name]
    if source.pod is not None:
        return [source.pod.spec.node_name]
    service = target.service
    balanced = service is not None and not is_own(service, target.address) and service.spec.type == "LoadBalancer"
    nodes = [n for n in world.sorted(core.Node) if not (balanced and core.NO_BALANCER in n.metadata.labels)]
    return [node.metadata.name for node in nodes] or [""]


def _arriving(world: World, question: Question, source: Party, target: Party) -> Party:
    """As whom the node that translates sees the client: pods leave the cluster as their node, also to another node."""
    home = world.get(core.Node, "", source.pod.spec.node_name) if source.pod is not None else None
    if home is None or target.node is None or home.key == target.node.key:
        return source
    if any(is_inside(target.address, prefix) for prefix in (*_pod_prefixes(world), *question.service_cidrs)):
        return source
    return _as_node(home, target.address)


def _as_node(node: core.Node, towards: str) -> Party:
    """A node as it speaks to an address."""
    given = (a.address for a in node.status.addresses if a.type == "InternalIP")
    every = (*given, *own_addresses(own_prefixes(node)).values())
    address = next((a for a in every if family(a) == family(towards)), "")
    return Party(label=f"node/{node.metadata.name}", address=address, node=node)


def _pod_prefixes(world: World) -> list[str]:
    return [prefix for node in world.all(core.Node).values() for prefix in own_prefixes(node)]


def _home(party: Party) -> str:
    """The node that it is on, or is."""
    if party.node is not None:
        return party.node.metadata.name
    return party.pod.spec.node_name if party.pod is not None else ""


def _dialled(world: World, sender: Party, target: Party, node: str) -> Dialled:
    address = sender.facing(target).address
    inside = any(is_inside(address, prefix) for prefix in _pod_prefixes(world))
    return Dialled(
        source=address,
        address=target.address,
        protocol=target.protocol,
        port=target.port,
        inside=sender.pod is not None or _home(sender) == node or inside,
        at_node=target.node is not None,
    )


def _unreached(world: World, target: Party, asked: dict[str, Answer]) -> list[Line]:
    """Nobody at all, or nobody for this client."""
    dropping = _dropping(target, asked)
    if dropping is not None:
        return [dropping]
    service = target.service
    assert service is not None  # noqa: S101 - the caller looked
    port = _port(service, target)
    number = service.spec.ports[port].port if port is not None else target.port
    share = Share(namespace=service.metadata.namespace, service=service.metadata.name, port=number)
    return [*why_nobody(world, share, protocol=target.protocol, version=family(target.address))]


def _dropping(target: Party, asked: dict[str, Answer]) -> Line | None:
    """The nodes that let nothing on although there are endpoints."""
    service = target.service
    assert service is not None  # noqa: S101 - the caller looked
    nodes = sorted(node for node, found in asked.items() if found.outcome == "dropped")
    if not nodes:
        return None
    field = "internalTrafficPolicy" if is_own(service, target.address) else "externalTrafficPolicy"
    where = ", ".join(filter(None, nodes)) or "the node"
    text = f"{field} is Local, and no endpoint that serves the port is on {where}"
    return Line(layer="Service", effect="drops", text=text, rule=service.origin(f"spec.{field}"))


def _port(service: core.Service, target: Party) -> int | None:
    """The index of the port that is dialled, by its number or, at a node, by its node port."""
    for i, port in enumerate(service.spec.ports):
        number = port.node_port if target.node is not None else port.port
        if (number, port.protocol) == (target.port, target.protocol):
            return i
    return None


def _told(world: World, sender: Party, target: Party, reached: dict[str, Answer]) -> Iterator[Line]:
    service = target.service
    assert service is not None  # noqa: S101 - the caller looked
    index = _port(service, target)
    ends = len({end for found in reached.values() for end in found.endpoints})
    where = ", ".join(filter(None, sorted(reached))) or "the client's node"
    text = f"the kernel of {where} chooses among {ends} endpoint{'s' if ends > 1 else ''}"
    yield Line(layer="Service", effect="translates", text=text, rule=service.origin(f"spec.ports[{index}]"))
    spec, own = service.spec, is_own(service, target.address)
    local = "internalTrafficPolicy" if own and spec.internal_traffic_policy == "Local" else ""
    inside = any(_dialled(world, sender, target, node).inside for node in reached)
    if not own and spec.external_traffic_policy == "Local" and not inside:
        local = "externalTrafficPolicy"
    if local:
        text = "to endpoints of the node that translates"
        yield Line(layer="Service", effect="limits", text=text, rule=service.origin(f"spec.{local}"))
    if spec.session_affinity == "ClientIP":
        seconds = spec.session_affinity_config.client_ip.timeout_seconds
        text = f"a client at its endpoint for {seconds} s after its last connection"
        yield Line(layer="Service", effect="keeps", text=text, rule=service.origin("spec.sessionAffinity"))


def _met(
    world: World, question: Question, who: tuple[Party, Party], target: Party, node: str, found: Answer
) -> Iterator[tuple[str, Way]]:
    """The way to each endpoint that a node may choose, with how the client is seen there (empty: as it is).

    `who`: the client, and as whom the node sees it.
    """
    service, (source, sender) = target.service, who
    assert service is not None  # noqa: S101 - the caller looked
    index = _port(service, target)
    share = Share(
        namespace=service.metadata.namespace,
        service=service.metadata.name,
        port=service.spec.ports[index].port if index is not None else target.port,
    )
    # A client in the mesh dials what its proxy does not know: plain text to the pod, whatever the Service says.
    told = None if source.pod is not None and in_mesh(source.pod, world)[0] else share
    for address, port in sorted(found.endpoints):
        end = party_at(world, address, port)
        seen = _seen(world, sender, end, node)
        arrived = seen.pod is not None and _home(seen) != node
        way = way_to(world, question, seen, end, share=told, arrived=arrived)
        itself = seen is source and _home(source) == node
        yield "" if itself else f"by {node}, seen as {seen.facing(end).address}", way


def _seen(world: World, sender: Party, end: Party, node: str) -> Party:
    """As itself by an endpoint of the node that translates, and wherever that is its own node; else as the node."""
    own = world.get(core.Node, "", node)
    here = end.pod is not None and end.pod.spec.node_name == node
    return sender if own is None or here or _home(sender) == node else _as_node(own, end.address)


def _merged(found: Iterator[tuple[str, Way]]) -> Iterator[Way]:
    """One way for each endpoint and verdict, with the nodes from which it is the same."""
    seen: dict[tuple[object, ...], list[str]] = {}
    ways: dict[tuple[object, ...], Way] = {}
    for text, way in found:
        key: tuple[object, ...] = (way.address, way.port, way.allowed, way.decided_by)
        seen.setdefault(key, []).append(text)
        ways.setdefault(key, way)
    for key, way in ways.items():
        told = "; ".join(filter(None, seen[key]))
        line = Line(layer="Service", effect="sends", text=told)
        yield msgspec.structs.replace(way, steps=(line, *way.steps)) if told else way


def rules_of(lines: tuple[Line, ...]) -> tuple[Origin, ...]:
    """What they name, each once."""
    return tuple(dict.fromkeys(line.rule for line in lines if line.rule is not None))
