"""Fabric `vxlan`: packets between nodes travel inside UDP (RFC 7348), so that the underlay need not know pods at all.

One device per node. Nothing is learnt and nothing is flooded: the MAC address of each node's tunnel end is a digest of
the node's name, so that every node can write the neighbour and forwarding entries of every other, and one that comes
or goes changes its own entries alone. The next hop towards a node is that node's own address in its pod prefix; of IPv6
it is the link-local address that follows from the MAC address, since the kernel refuses a next hop that another route
leads to elsewhere, as one of another fabric does until it is replaced.
"""

from __future__ import annotations

from typing import Final

from tandem.base.addresses import IPV4, family, host_prefix
from tandem.compile import names
from tandem.compile.addresses import link_local, mac_address, own_addresses
from tandem.compile.fabric.interface import Fabric, others
from tandem.ir.fabric import Node
from tandem.ir.node import NodeView
from tandem.state.devices import Device, DeviceAddress, Forward, Neighbour
from tandem.state.links import NodeNet, Route

SETTINGS: Final = (
    ("ipv4", "rp_filter", "1"),  # what comes out of the tunnel has an address that a route leads into it for
    ("ipv6", "addr_gen_mode", "1"),  # no link-local address: nothing may be sent to all
)
DF_SET: Final = 1
"""The underlay never fragments: what is too long is refused here, and its sender told (RFC 1191, RFC 8201)."""


def _between(view: NodeView, mtu: int) -> NodeNet:
    own = view.node
    if not own.addresses:
        return NodeNet()
    local, dev = own.addresses[0], names.VXLAN
    sources = own_addresses(own.pod_cidrs)
    routes, neighbours, forwards = [], [], []
    for node in others(view):
        underlay = next((a for a in node.addresses if family(a) == family(local)), "")
        if not underlay:
            continue
        mac, hops = _mac(node), _hops(node)
        forwards.append(Forward(dev=dev, mac=mac, to=underlay))
        neighbours += [Neighbour(dev=dev, address=hop, mac=mac) for hop in hops.values()]
        routes += [
            Route(prefix=c, via=hops[v], dev=dev, onlink=v == IPV4, source=sources[v])
            for c in node.prefixes
            if (v := family(c)) in hops and v in sources
        ]
    return NodeNet(
        devices=(_device(view, local, mtu),),
        # Traffic of the node itself, and what it masquerades, must come back through the tunnel as well.
        on_devices=tuple(DeviceAddress(dev=dev, prefix=host_prefix(source)) for source in sources.values()),
        routes=tuple(routes),
        neighbours=tuple(neighbours),
        forwards=tuple(forwards),
    )


def _device(view: NodeView, local: str, mtu: int) -> Device:
    vxlan = view.config.network.vxlan
    options: dict[str, int | str] = {"dstport": vxlan.port, "id": vxlan.vni, "learning": 0, "local": local}
    if family(local) == IPV4:  # IPv6 is never fragmented on its way
        options["df"] = DF_SET
    return Device(
        name=names.VXLAN,
        kind="vxlan",
        mtu=mtu,
        mac=_mac(view.node),
        options=tuple(sorted(options.items())),
        settings=SETTINGS,
    )


def _hops(node: Node) -> dict[int, str]:
    own = own_addresses(node.pod_cidrs)
    return {v: address if v == IPV4 else link_local(_mac(node)) for v, address in own.items()}


def _mac(node: Node) -> str:
    return mac_address(f"vtep/{node.name}")


VXLAN: Final = Fabric(
    name="vxlan",
    needs="the node's UDP port for VXLAN to be open to the other nodes",
    overhead=(50, 70),  # outer IP (20 or 40), UDP (8), VXLAN (8), inner Ethernet (14)
    between=_between,
)
