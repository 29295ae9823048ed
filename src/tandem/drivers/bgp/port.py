"""What the agent needs of its BGP speaker: a configuration in force, and how the sessions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tandem.base.problems import DriverError
from tandem.state.bgp import BgpSpeaker


class BgpError(DriverError):
    """The speaker does not start, does not answer its control socket, or refuses; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session with a peer, for `tandem status`."""

    name: str
    """That of the BgpPeer."""
    state: str
    """A state of RFC 4271, section 8.2.2 (`Established` is the good one), or `Down`: it cannot even listen."""
    accepted: int = 0
    """Prefixes that the peer told and that are believed."""
    refused: int = 0
    """Prefixes that the peer told and that are not believed."""
    announced: int = 0
    """Prefixes that the peer was told."""
    error: str = ""
    """What went wrong last; may be of the past."""


class BgpDriver(Protocol):
    """The configuration of one running speaker."""

    async def configure(self, speaker: BgpSpeaker) -> None:
        """Speak so; sessions that do not change go on. Raises BgpError, and then it speaks as before."""

    async def sessions(self) -> tuple[Session, ...]:
        """One for each peer, in the order of names; raises BgpError."""
