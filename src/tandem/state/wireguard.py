"""The encrypted tunnel of a node, as values. Keys are public ones, in base64 as `wg` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PORT: Final = 51820


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class WireguardPeer:
    """Another node. What is for `allowed` goes to it, and what it sends from elsewhere is dropped."""

    key: str
    address: str
    """On the underlay."""
    port: int = PORT
    allowed: tuple[str, ...] = ()
    """Prefixes, sorted; each belongs to one peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """A node's own end."""

    port: int = PORT
    """UDP."""
    mtu: int = 1420
    addresses: tuple[str, ...] = ()
    """The node's own in its pod prefixes, sorted: what it sends into the tunnel from."""
    peers: tuple[WireguardPeer, ...] = ()
    """Sorted."""
