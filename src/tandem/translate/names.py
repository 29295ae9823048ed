"""What nodes have told of names within networks -> ir Names by node. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.ir.fabric import Node
from tandem.ir.names import Names, read_names
from tandem.model import core
from tandem.model.world import World


def translate_names(world: World, nodes: Mapping[str, Node]) -> dict[str, Names]:
    """Names of nodes that are not lost, with addresses that the cluster sends to the node.

    An address that another plugin gave out of a range of its own is somebody else's, or nobody's, on other nodes.
    """
    found: dict[str, Names] = {}
    for node in world.sorted(core.Node):
        known = nodes[node.metadata.name]
        text = node.metadata.annotations.get(core.NETWORK_NAMES, "")
        pairs = tuple(p for p in read_names(text) if known.holds(p[1])) if text and known.ready else ()
        if pairs:
            found[known.name] = Names(node=known.name, pairs=pairs)
    return found
