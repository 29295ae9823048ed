"""From a gateway on: each way to a pod behind it, from every node that may serve it.

To a pod of its own node a gateway comes from the last address of the network of Services, else from the node's.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.addresses import family
from tandem.cluster.nodes import own_prefixes
from tandem.compile.addresses import edge_source, own_addresses
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.world import World
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.request import Share
from tandem.views.endpoints import endpoints
from tandem.views.parties import Party
from tandem.views.ways import Line, Question, Way, way_to


def ways_onward(
    world: World,
    question: Question,
    gateway: Gateway | IngressGateway,
    shares: tuple[Share, ...],
    *,
    requests: bool,
    handed_on: bool,
) -> Iterator[Way]:
    """One for each endpoint, and one more for each node from which something else comes of it."""
    seen: set[tuple[str, int]] = set()
    for meant in shares:
        share = next((one for one in (meant, *meant.instead) if endpoints(world, one, 0)), meant)
        for end in endpoints(world, share, 0) if not share.status else ():
            if (end.address, end.port) in seen:
                continue
            seen.add((end.address, end.port))
            told: dict[tuple[object, ...], list[str]] = {}
            ways: dict[tuple[object, ...], Way] = {}
            for where, address in _senders(world, question, end):
                sender = Party(label=where, address=address, gateway=gateway)
                way = way_to(world, question, sender, end, share=share, requests=requests, handed_on=handed_on)
                verdict = (way.allowed, way.decided_by)
                told.setdefault(verdict, []).append(f"{where} as {address}")
                ways.setdefault(verdict, way)
            for key, way in ways.items():
                line = Line(layer="gateway", effect="sends", text=f"from {', '.join(told[key])}")
                yield msgspec.structs.replace(way, steps=(line, *way.steps))


def _senders(world: World, question: Question, end: Party) -> Iterator[tuple[str, str]]:
    """Each node that may serve gateways, with the addresses by which it speaks to the pod."""
    version = family(end.address)
    home = end.pod.spec.node_name if end.pod is not None else ""
    nodes = [node for node in world.sorted(core.Node) if core.NO_BALANCER not in node.metadata.labels]
    if not nodes:
        yield "the pod's node", edge_source(question.service_cidrs, version)
    for node in nodes:
        if node.metadata.name == home:
            yield f"node {home}", edge_source(question.service_cidrs, version)
            continue
        own = own_addresses(own_prefixes(node))
        given = (a.address for a in node.status.addresses if a.type == "InternalIP")
        for address in dict.fromkeys((*own.values(), *given)):
            if family(address) == version:
                yield f"node {node.metadata.name}", address
