"""Fabric `routed`: a route to each node's pod prefixes by that node's own address. Nothing is added to a packet.

As Calico without encapsulation, or Flannel's host-gw: the nodes are on one L2, each a next hop of the others.
With BGP the routes are the speaker's; until there is one, what is sent there is refused, and not sent elsewhere.
"""

from __future__ import annotations

from typing import Final

from tandem.base.addresses import family
from tandem.compile.fabric.interface import Fabric, others, refused
from tandem.ir.node import NodeView
from tandem.state.links import NodeNet, Route


def _between(view: NodeView, mtu: int) -> NodeNet:
    del mtu  # pods' packets travel as they are
    if view.config.network.bgp is not None:
        return NodeNet(routes=refused(view), learns=True)
    routes = []
    for node in others(view):
        by = {family(address): address for address in node.addresses}
        routes += [Route(prefix=c, via=by[family(c)]) for c in node.prefixes if family(c) in by]
    return NodeNet(routes=tuple(routes))


ROUTED: Final = Fabric(name="routed", needs="every node on one L2", overhead=(0, 0), between=_between)
