"""What a fabric is: how the pods of one node reach those of another. Pure, like every compiler.

A fabric is one module with one value of this type, listed in `compile/fabric/__init__.py`. It says what the node has in
the kernel; the link driver compares that with what is there and applies the difference, so that a fabric never does
anything itself and has nothing to clean up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tandem.ir.fabric import Node
from tandem.ir.node import NodeView
from tandem.state.links import LAST_METRIC, NodeNet, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """One way to connect nodes. Equal views must give equal results."""

    name: str
    """As it stands in `spec.fabric` of a Network."""
    needs: str
    """What the underlay must offer, as a clause that follows "the fabric NAME needs"."""
    overhead: tuple[int, int]
    """Bytes that it adds to a packet on an underlay of IPv4, and of IPv6."""
    between: Callable[[NodeView, int], NodeNet]
    """Devices, routes, neighbours and forwarding entries of this node towards the others; the MTU of pods."""
    segment: bool = False
    """The pods of a node share one L2: they are ports of the node's bridge (`compile/fabric/segment.py`)."""


def others(view: NodeView) -> Iterator[Node]:
    """The other nodes that can be reached, in the order of their names."""
    for name in sorted(view.nodes):
        node = view.nodes[name]
        if node.name != view.node.name and node.addresses:
            yield node


def refused(view: NodeView) -> tuple[Route, ...]:
    """What is for other nodes' pods goes by a better route that somebody else makes, or is refused: never elsewhere."""
    return tuple(Route(prefix=c, metric=LAST_METRIC) for node in others(view) for c in node.prefixes)
