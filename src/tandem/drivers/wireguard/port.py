"""What the agent needs of a WireGuard device: who its peers are, and how that is changed. The fake is `fake.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.state.wireguard import WireguardPeer


class WireguardError(DriverError):
    """The device is not there, does not answer, or refuses; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a device has; `key` is the public one (empty: none yet)."""

    key: str = ""
    port: int = 0
    peers: tuple[WireguardPeer, ...] = ()
    """Sorted."""
    handshakes: Mapping[str, int] = field(default_factory=dict)
    """When the last one with a peer was, in seconds since the epoch, by its key; 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """To be carried out in one go: peers are removed, then put; one that is put has these prefixes and no others."""

    key: Secret | None = None
    """The private one, 32 bytes; None: as it is."""
    port: int | None = None
    remove: tuple[str, ...] = ()
    put: tuple[WireguardPeer, ...] = ()

    def __bool__(self) -> bool:
        return self.key is not None or self.port is not None or bool(self.remove or self.put)


class WireguardDriver(Protocol):
    """The WireGuard of one device."""

    async def read(self) -> Held:
        """What it has now; raises WireguardError."""

    async def apply(self, delta: Delta) -> None:
        """Change it; raises WireguardError."""
