"""The MTU of pods, worked out once from the underlay's and every overhead. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.addresses import IPV6, family
from tandem.compile.fabric import fabric_of
from tandem.ir.node import NodeView

WIREGUARD: Final = (60, 80)
"""Outer IP (20 or 40), UDP (8), type, receiver and counter (16), authentication tag (16)."""


def overhead(view: NodeView) -> int:
    """Bytes that a packet between pods of two nodes is longer on the underlay, by the tunnel that it travels in."""
    network = view.config.network
    v4, v6 = fabric_of(network).overhead if network.encryption is None else WIREGUARD
    return v6 if view.node.addresses and family(view.node.addresses[0]) == IPV6 else v4


def room(view: NodeView) -> int:
    """What the underlay leaves for a packet between pods of two nodes."""
    return view.underlay_mtu - overhead(view)


def pod_mtu(view: NodeView) -> int:
    """What the Network says, else what the underlay leaves."""
    return view.config.network.mtu or room(view)
