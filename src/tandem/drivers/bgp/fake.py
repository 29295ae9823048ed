"""A BgpDriver without a speaker: for tests of what is built on it. Passes the contract tests of the real one."""

from __future__ import annotations

from tandem.drivers.bgp.port import BgpError, Session
from tandem.drivers.failing import Failing
from tandem.state.bgp import BgpSpeaker


class FakeBgp(Failing):
    """Holds a configuration; `tell` says how a session is, `fail_next(error)` makes the next call fail."""

    def __init__(self) -> None:
        self.speaker: BgpSpeaker | None = None
        self.configured = 0
        self._told: dict[str, Session] = {}

    def tell(self, session: Session) -> None:
        """The session with this peer is so from now on."""
        self._told[session.name] = session

    async def configure(self, speaker: BgpSpeaker) -> None:
        """Refuses what BIRD refuses."""
        self.may_fail()
        names = [peer.name for peer in speaker.peers]
        if len(set(names)) != len(names):
            raise BgpError("configure: a name is used twice")
        self.speaker = speaker
        self.configured += 1

    async def sessions(self) -> tuple[Session, ...]:
        """As told; else the peer does not answer."""
        self.may_fail()
        peers = self.speaker.peers if self.speaker else ()
        names = sorted(peer.name for peer in peers)
        return tuple(self._told.get(name, Session(name=name, state="Active")) for name in names)
