"""What a node says and believes by BGP (RFC 4271), as values. Prefixes and addresses are of either family, as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tandem.base.secret import Secret

PORT: Final = 179


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class BgpPeer:
    """Another speaker. The session carries prefixes of the family of its address."""

    name: str
    """Unique in a speaker: letters, digits and `_`."""
    title: str
    """For people: which node, or which entry of the configuration."""
    local: str
    """The node's own address, which the session comes from; it listens there and nowhere else."""
    address: str
    as_number: int
    port: int = PORT
    near: bool = True
    """On a network of this node; else it is reached by routers, and so are the next hops that it tells."""
    accepts: tuple[str, ...] = ()
    password: Secret | None = None
    """Of TCP MD5 (RFC 2385): printable ASCII without quotation marks, at most 80 characters."""
    """Only prefixes within these are believed, and none that `BgpSpeaker.announces` covers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BgpSpeaker:
    """One node. It tells its own prefixes to every peer and passes on nothing that it was told."""

    router_id: str
    """In the form of an IPv4 address; unique among the speakers."""
    as_number: int
    port: int = PORT
    """Where it listens."""
    announces: tuple[str, ...] = ()
    installs: bool = True
    """What is learnt becomes a route of the node. Without, others have made the routes, and routers are told only."""
    peers: tuple[BgpPeer, ...] = ()
