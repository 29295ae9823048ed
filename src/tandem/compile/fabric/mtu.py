"""The MTU of pods, worked out once from the underlay's and every overhead. Pure."""

from __future__ import annotations

from tandem.base.addresses import family
from tandem.compile.fabric import fabric_of
from tandem.ir.node import NodeView


def overhead(view: NodeView) -> int:
    """Bytes that a packet between pods of two nodes is longer on the underlay, from each layer that adds some."""
    v4, v6 = fabric_of(view.config.network).overhead
    return v6 if view.node.addresses and family(view.node.addresses[0]) == 6 else v4


def room(view: NodeView) -> int:
    """What the underlay leaves for a packet between pods of two nodes."""
    return view.underlay_mtu - overhead(view)


def pod_mtu(view: NodeView) -> int:
    """What the Network says, else what the underlay leaves."""
    return view.config.network.mtu or room(view)
