"""The bridge of a node whose pods share one L2. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.addresses import IPV6, family
from tandem.compile import names
from tandem.compile.addresses import mac_address
from tandem.ir.node import NodeView
from tandem.state.devices import Device

SETTINGS: Final = (
    ("ipv4", "rp_filter", "0"),  # packets come in by the bridge and leave by the pods' links
    ("ipv4", "route_localnet", "1"),  # replies to host ports on 127.0.0.1; the segment's table guards the loopback
    ("ipv6", "proxy_ndp", "1"),  # answers for pods that are not on it (`compile/links.py` names them)
)


def segment_mac(node: str) -> str:
    """The MAC address of a node's bridge."""
    return mac_address(f"segment/{node}")


def segment_device(view: NodeView, mtu: int) -> Device:
    """The bridge, for pods of this MTU."""
    v6 = any(family(cidr) == IPV6 for cidr in view.node.pod_cidrs)
    return Device(
        name=names.SEGMENT,
        kind="bridge",
        mtu=mtu,
        mac=segment_mac(view.node.name),
        # Without a querier a bridge that snoops would keep multicast from those who joined before it.
        options=(("mcast_snooping", 0), ("stp_state", 0)),
        settings=(*SETTINGS, ("ipv6", "disable_ipv6", "0" if v6 else "1"), ("ipv6", "addr_gen_mode", "1")),
    )
