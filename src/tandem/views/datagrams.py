"""`tandem explain` from a client to a gateway's port of UDP: policies that silence it, route, and each way on to a pod.

In: the World, a Question, the client, the Gateway and the listener. Out: an Explanation. The kernel hands datagrams on:
a pod of the node that answers for the address sees the client, one of another node sees that node.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.addresses import family
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.world import World
from tandem.reference.authorization import enforced_at
from tandem.reference.edgeroutes import decide_datagrams
from tandem.reference.listeners import Found
from tandem.views.endpoints import endpoints
from tandem.views.parties import Party
from tandem.views.ways import Explanation, Line, Question, Way, summary, way_to


def explain_datagrams(
    world: World, question: Question, ends: tuple[Party, Party], gateway: Gateway, taken: tuple[Found, list[Line]]
) -> Explanation:
    """`ends`: the client and the gateway; `taken`: the listener of UDP and how it was found."""
    (source, target), (listener, lines) = ends, taken
    silencing = enforced_at(world, gateway)
    layer = "authorization at the gateway"
    lines += [Line(layer=layer, effect="silences", text="datagrams are not judged", rule=rule) for rule in silencing]
    ways: tuple[Way, ...] = ()
    if not silencing:
        route = decide_datagrams(world, listener)
        lines += [Line(layer="route", effect="route", text=s.text, rule=s.origin) for s in route.steps]
        shares = [share for share in route.backends if not share.status]
        met = {(end.address, end.port): end for share in shares for end in endpoints(world, share, 0, protocol="UDP")}
        ways = tuple(way for end in met.values() for way in _ways(world, question, source, end))
    told = summary(source, target, ways, status=0)
    if silencing:
        told = f"{source.label} to {target.label}: dropped at the gateway because of {'; '.join(map(str, silencing))}"
    by = silencing or tuple(dict.fromkeys(o for way in ways if not way.allowed for o in way.decided_by))
    return Explanation(
        allowed=bool(ways) and all(way.allowed for way in ways),
        summary=told,
        source=source.label,
        destination=target.label,
        protocol=target.protocol,
        route=tuple(lines),
        ways=ways,
        decided_by=by,
    )


def _ways(world: World, question: Question, source: Party, end: Party) -> Iterator[Way]:
    """As the client, and as other nodes that may answer for the address, where something else comes of that."""
    told: dict[tuple[object, ...], Way] = {}
    for sender in (source, *_nodes(world, end)):
        way = way_to(world, question, sender, end, share=None)
        verdict = way.allowed, way.decided_by
        if verdict not in told:
            line = Line(layer="gateway", effect="hands on", text=f"seen as {sender.address}")
            told[verdict] = msgspec.structs.replace(way, steps=(line, *way.steps))
    yield from told.values()


def _nodes(world: World, end: Party) -> Iterator[Party]:
    """The nodes beside the pod's own that may answer for addresses of gateways."""
    home = end.pod.spec.node_name if end.pod is not None else ""
    for node in world.sorted(core.Node):
        if core.NO_BALANCER in node.metadata.labels or node.metadata.name == home:
            continue
        for given in node.status.addresses:
            if given.type == "InternalIP" and family(given.address) == family(end.address):
                yield Party(label=f"node {node.metadata.name}", address=given.address)
