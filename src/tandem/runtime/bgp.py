"""The loop that puts a NodeView in force in the node's BGP speaker, and watches its sessions.

In: the newest NodeView. Out: a speaker that is running, or none; what its sessions are; what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, Protocol

import structlog

from tandem.base.clock import Clock, SystemClock
from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.compile.bgp import compile_speaker, locks
from tandem.drivers.bgp.port import BgpDriver, Session
from tandem.drivers.process.daemon import Serves
from tandem.ir.network import Password
from tandem.ir.node import NodeView
from tandem.runtime.views import Numbered, Views, newest_of
from tandem.state.bgp import BgpPeer, BgpSpeaker

log = structlog.get_logger()

LOOK_SECONDS: Final = 1.0
PATIENCE: Final = 8.0
"""A session, or a speaker, that is not up is a problem after so long."""
ESTABLISHED: Final = "Established"
DOWN: Final = "Down"
SPEAKER: Final = "bgp"
"""Among what failed: the speaker itself."""


Ask = Callable[[], Awaitable[Mapping[str, Secret]]]
"""Passwords of this node's sessions, by the address of the peer; raises DriverError."""


class Server(Serves, Protocol):
    """What the loop needs of the process."""

    def want(self, speaker: BgpSpeaker | None) -> None:
        """Run, started with this if it must be started; or not at all."""


class BgpLoop:
    """Keeps one speaker equal to the newest view."""

    def __init__(self, server: Server, driver: BgpDriver, ask: Ask, clock: Clock | None = None) -> None:
        self._server = server
        self._driver = driver
        self._ask = ask
        self._passwords: Mapping[str, Secret] = {}
        self._asked: Mapping[str, Password] = {}
        """What the passwords were asked for; another version of a Secret is another password."""
        self._clock = clock or SystemClock()
        self._view: NodeView | None = None
        self._told: tuple[BgpSpeaker, int] | None = None
        self._sessions: dict[str, Session] = {}
        self._not_up: dict[str, float] = {}
        """Since when: by the name of a peer, and by "" for the speaker itself."""
        self.speaker: BgpSpeaker | None = None
        self.failed: Mapping[str, str] = {}

    async def run(self, views: Views) -> None:
        """Apply each newest view, and look at the sessions every second."""
        seen = -1
        while True:
            seen, newest = await self._next(views, seen)
            if newest.view is not self._view or len(self._passwords) < len(self._asked):
                await self._look_up(locks(newest.view))
                self._view, self.speaker = newest.view, compile_speaker(newest.view, self._passwords)
            self._server.want(self.speaker)
            if self.speaker is None:
                self._told, self._sessions, self._not_up, self.failed = None, {}, {}, {}
            else:
                await self._follow(self.speaker)

    async def _look_up(self, wanted: Mapping[str, Password]) -> None:
        """Ask for passwords where others are wanted, or some are missing."""
        if wanted == self._asked and len(self._passwords) == len(wanted):
            return
        self._asked, self._passwords = wanted, {}
        if wanted:
            try:
                found = await self._ask()
            except DriverError as err:
                log.warning("passwords of BGP are not told", error=str(err))
            else:
                self._passwords = {address: found[address] for address in wanted if address in found}

    @property
    def silent(self) -> tuple[str, ...]:
        """Why nobody is told of this node's pods, nor this node of others': not that one session is not up."""
        return tuple(text for name, text in self.failed.items() if name == SPEAKER)

    def sessions(self) -> list[dict[str, Any]]:
        """For `tandem status`: one for each peer, in the order of their addresses."""
        peers = sorted(self.speaker.peers, key=lambda p: (p.title, p.address)) if self.speaker else []
        return [
            {"peer": peer.title, "address": peer.address, "asNumber": peer.as_number}
            | {key: value for key, value in asdict(self._session(peer)).items() if key != "name"}
            for peer in peers
        ]

    async def _follow(self, speaker: BgpSpeaker) -> None:
        now, started = self._clock.monotonic(), self._server.started.value
        try:
            if started and self._told != (speaker, started):
                await self._driver.configure(speaker)
                self._told = speaker, started
            found = await self._driver.sessions() if started else ()
            self._sessions = {session.name: session for session in found}
            if any(session.state == DOWN for session in found):
                self._told = None  # being told again makes it try to listen again
            error = self._server.trouble or ("" if started else "it does not start")
        except DriverError as err:
            self._told, error = None, str(err)
        not_up = {peer.name for peer in speaker.peers if self._session(peer).state != ESTABLISHED}
        not_up |= {""} if error else set()
        self._not_up = {name: self._not_up.get(name, now) for name in not_up}
        self.failed = self._problems(speaker, error, now)

    def _problems(self, speaker: BgpSpeaker, error: str, now: float) -> dict[str, str]:
        late = {name for name, since in self._not_up.items() if now - since >= PATIENCE}
        if "" in late:
            return {SPEAKER: f"the BGP speaker is not up: {error}"}
        found = {
            address: f"no BGP session with {address}: it must have the password {lock.key!r} of Secret {lock.source},"
            " which is not there or is none (printable ASCII without quotation marks, at most 80 characters)"
            for address, lock in self._asked.items()
            if address not in self._passwords
        }
        for peer in speaker.peers:
            session = self._session(peer)
            if session.state == DOWN:
                found[peer.name] = f"BGP cannot listen at {peer.local} port {speaker.port}: another process does"
            elif peer.name in late:
                why = f" ({session.error})" if session.error else ""
                found[peer.name] = f"no BGP session with {peer.title} ({peer.address}): {session.state}{why}"
        return found

    def _session(self, peer: BgpPeer) -> Session:
        return self._sessions.get(peer.name) or Session(name=peer.name, state="Idle")

    async def _next(self, views: Views, seen: int) -> tuple[int, Numbered]:
        """The newest view: when it is new, when a speaker started, or after a moment."""
        started = self._server.started
        waiting = LOOK_SECONDS if self.speaker is not None else None
        return await newest_of(views, seen, (started, started.value), retry=waiting)
