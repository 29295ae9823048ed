"""Fabric `bridge`: the pods of a node share one L2; between nodes it is `routed`.

A pod's link is a port of the node's bridge as well as what it always is: the node keeps its route and its neighbour
entry for the pod, so that what it sends to a pod goes straight to its link. What pods send enters the bridge, and
`compile/nft/segment.py` says there what is switched and what the node's IP stack gets (docs/design/0014).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tandem.base.addresses import IPV6, family
from tandem.compile import names
from tandem.compile.addresses import mac_address
from tandem.compile.fabric.interface import Fabric
from tandem.compile.fabric.routed import ROUTED
from tandem.ir.node import NodeView
from tandem.state.devices import Device
from tandem.state.links import NodeNet

SETTINGS: Final = (
    ("ipv4", "rp_filter", "0"),  # packets come in by the bridge and leave by the pods' links
    ("ipv4", "route_localnet", "1"),  # replies to host ports on 127.0.0.1; the segment's table guards the loopback
    ("ipv6", "proxy_ndp", "1"),  # answers for pods that are not on it (`compile/links.py` names them)
)


def segment_mac(node: str) -> str:
    """The MAC address of a node's bridge."""
    return mac_address(f"segment/{node}")


def _between(view: NodeView, mtu: int) -> NodeNet:
    v6 = any(family(cidr) == IPV6 for cidr in view.node.pod_cidrs)
    bridge = Device(
        name=names.SEGMENT,
        kind="bridge",
        mtu=mtu,
        mac=segment_mac(view.node.name),
        # Without a querier a bridge that snoops would keep multicast from those who joined before it.
        options=(("mcast_snooping", 0), ("stp_state", 0)),
        settings=(*SETTINGS, ("ipv6", "disable_ipv6", "0" if v6 else "1"), ("ipv6", "addr_gen_mode", "1")),
    )
    return replace(ROUTED.between(view, mtu), devices=(bridge,))


BRIDGE: Final = Fabric(
    name="bridge", needs="every node on one L2", overhead=ROUTED.overhead, between=_between, segment=True
)
