"""Views of one node of a small cluster, for the tests of fabrics."""

from __future__ import annotations

import msgspec

from meshbuild import CONFIG
from tandem.base.ids import NodeName
from tandem.ir.fabric import Node
from tandem.ir.network import Network
from tandem.ir.node import NodeView


def node(number: int, address: str = "", *cidrs: str) -> Node:
    """Node `number` with the prefix 10.244.NUMBER.0/24, unless told otherwise."""
    return Node(
        name=NodeName(f"node-{number}"),
        addresses=(address or f"192.0.2.{number}",),
        pod_cidrs=cidrs or (f"10.244.{number}.0/24",),
    )


def view(*others: Node, network: Network | None = None, underlay_mtu: int = 1500) -> NodeView:
    """What node 1 sees beside `others`."""
    own = node(1)
    config = msgspec.structs.replace(CONFIG, network=network or Network())
    nodes: dict[str, Node] = {n.name: n for n in (own, *others)}
    return NodeView(node=own, config=config, nodes=nodes, underlay_mtu=underlay_mtu)
