"""How packets travel between the pods of a cluster: one choice for all nodes, made by the object `Network default`."""

from __future__ import annotations

import msgspec

from tandem.base.ids import NodeName
from tandem.base.problems import Origin


class Vxlan(msgspec.Struct, frozen=True, kw_only=True):
    """What every node's tunnel end has in common."""

    vni: int = 116
    port: int = 4789
    """UDP (RFC 7348, section 8.1)."""


class Password(msgspec.Struct, frozen=True, kw_only=True):
    """Where the password of a session is; the agents that need it ask control for it."""

    source: str
    """`namespace/name` of the Secret."""
    key: str
    version: str = ""
    """Of the Secret; empty: it has no such key, or is not there."""


class BgpPeer(msgspec.Struct, frozen=True, kw_only=True):
    """A router, or route reflector, that nodes tell their prefixes and believe those of other nodes."""

    address: str
    as_number: int
    port: int = 179
    nodes: tuple[NodeName, ...] | None = None
    """Which nodes; None: all."""
    password: Password | None = None
    """None: the session has none."""


class Bgp(msgspec.Struct, frozen=True, kw_only=True):
    """Routes between nodes are told by BGP (RFC 4271), not made by each agent from what control says."""

    as_number: int
    """Of every node."""
    node_mesh: bool = True
    """Each node has a session with each other one."""
    port: int = 179
    """TCP, where nodes listen."""
    peers: tuple[BgpPeer, ...] = ()


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """What pods of different nodes send each other is encrypted by WireGuard, or not sent."""

    port: int = 51820
    """UDP, where nodes listen."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """The fabric by its name in `compile.fabric`, and what it needs to know."""

    fabric: str = "routed"
    mtu: int = 0
    """Of pods' interfaces; 0: what the underlay leaves after every overhead."""
    vxlan: Vxlan = Vxlan()
    bgp: Bgp | None = None
    encryption: Encryption | None = None
    fast_path: bool = True
    """Established TCP connections between pods of one node go from link to link, past the chains."""
    opens_firewalls: bool = True
    """Where iptables' chain FORWARD drops what it does not know, what pods send and get is let through."""
    origin: Origin | None = None
    """None: no object says so, these are the defaults."""
