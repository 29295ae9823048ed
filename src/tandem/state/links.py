"""Links, addresses and routes as values: what the link driver compares and applies. Text and bytes are made last.

A pod's link is a veth pair: the host end carries an alias of ours and stays down until the pod may speak; the pod end
has a /32 or /128 address, or one of each, and a next hop of each family that a permanent neighbour entry answers for,
so that no ARP and no neighbour discovery is ever needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from tandem.base.addresses import family, host_prefix
from tandem.base.ids import ContainerId
from tandem.state.devices import Device, DeviceAddress, Forward, Neighbour


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """How fast a pod may receive (ingress) and send (egress), in bits a second, and bursts in bits; 0: no limit."""

    ingress_rate: int = 0
    ingress_burst: int = 0
    egress_rate: int = 0
    egress_burst: int = 0


UNSHAPED: Final = Shaping()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """What a runtime may ask of one link beside its addresses."""

    mac: str = ""
    """Empty: made from the attachment's name."""
    shaping: Shaping = UNSHAPED
    from_loopback: bool = False


PLAIN: Final = LinkOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """How packets of one family (4 or 6) leave a pod and reach it."""

    version: int
    gateway: str
    """The pod's next hop; nobody has this address, the neighbour entry is enough."""
    source: str
    """The node's own address in its pod prefix: the source of the host route. Empty: the kernel chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLink:
    """One pod interface with both its ends, and whether the pod has the routing rules of transparent capture."""

    container_id: ContainerId
    ifname: str
    host_ifname: str
    alias: str
    addresses: tuple[str, ...]
    """Each a /32 or /128 in the pod and a host route on the node."""
    mac: str
    host_mac: str
    mtu: int
    hops: tuple[Hop, ...]
    """One for each family of the addresses."""
    captured: bool = False
    """Packets with LOCAL_MARKS are delivered inside the pod, whatever their destination: so Envoy gets them."""
    shaping: Shaping = UNSHAPED
    from_loopback: bool = False
    """The node's 127.0.0.1 may be translated towards this link (host ports): replies may return to it."""
    segment: tuple[str, ...] = ()
    """Prefixes that the pod takes to be on its link, which is a port of `bridge`; empty: it is a port of none."""
    bridge: str = ""

    def prefix_of(self, address: str) -> str:
        """How the pod has an address: alone, or in its segment."""
        within = [p for p in self.segment if ip_address(address) in ip_network(p)]
        return f"{address}/{within[0].partition('/')[2]}" if within else host_prefix(address)

    def hop_of(self, address: str) -> Hop:
        """The hop of an address's family."""
        return next(hop for hop in self.hops if hop.version == family(address))

    @property
    def versions(self) -> tuple[int, ...]:
        """The families of the pod, 4 before 6."""
        return tuple(hop.version for hop in self.hops)


LAST_METRIC: Final = 0xFFFFFFF0
"""Of an unreachable route, below whatever else leads to the same prefix: where that is missing, nothing is sent."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Route:
    """A route of the node to a prefix: through another node's address, by a device, or (neither) unreachable."""

    prefix: str
    via: str = ""
    dev: str = ""
    """One of `NodeNet.devices`; empty: the kernel finds the interface by the next hop."""
    onlink: bool = False
    """The next hop is taken to be behind `dev`, whatever addresses `dev` has."""
    source: str = ""
    """What the node itself sends from; empty: the kernel chooses."""
    mtu: int = 0
    """0: that of the interface."""
    metric: int = 0
    """Of routes to one prefix, the one with the least is used; 0: what the kernel gives."""
    learnt: bool = False
    """Made by the node's BGP speaker. Never wanted, only left alone or removed."""

    @property
    def refuses(self) -> bool:
        """What is sent there goes nowhere, and its sender is told."""
        return not (self.via or self.dev or self.learnt)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNet:
    """What a node has apart from pod links. Every part is sorted; `devices` and what is on them are the fabric's."""

    addresses: tuple[str, ...] = ()
    """On `lo`."""
    routes: tuple[Route, ...] = ()
    devices: tuple[Device, ...] = ()
    on_devices: tuple[DeviceAddress, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwards: tuple[Forward, ...] = ()
    learns: bool = False
    """There is a BGP speaker, which makes routes of its own. Else what one has left is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSide:
    """What a node contributes to each of its pod links."""

    node: str
    sources: tuple[str, ...]
    """Its own address in each of its pod prefixes."""
    mtu: int
    segment: tuple[str, ...] = ()
    """The prefixes of the L2 that its pods share; empty: each link is on its own."""
