"""A control over a fake API and a board without sockets; nodes are played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

from tandem.base.clock import FixedClock
from tandem.drivers.ca.authority import Authority
from tandem.drivers.xds.board import Stream
from tandem.drivers.xds.client_session import ClientSession, Update
from tandem.drivers.xds.messages import Response
from tandem.drivers.xds.server import XdsServer
from tandem.drivers.xds.session import Session
from tandem.ingest.fake import FakeKube
from tandem.ingest.kube import KubeClient
from tandem.ir import wire
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject
from tandem.runtime.control import Control
from tandem.runtime.trust import TrustLoop
from tandem.translate.options import Options

CLOCK = FixedClock()


class Server(XdsServer):
    """The board and the handlers, without a socket."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), wire.TYPES)

    async def start(self) -> None:
        """Nobody listens."""

    async def stop(self, grace: float = 0.0) -> None:
        """Nobody listened."""


class Agent:
    """A node's end: takes what it is sent, and answers when told to (or at once)."""

    def __init__(self, lab: ControlLab, name: str, *, eager: bool = True) -> None:
        self.name, self.eager, self._lab = name, eager, lab
        self.session = ClientSession(name, tuple(wire.TYPES))
        self.values: dict[tuple[str, str], wire.Value] = {}
        self.open: list[Update] = []
        self.refuses: dict[str, str] = {}
        self.stream: Stream = lab.server.opened(name, Session(wire.TYPES))
        self.stream.inbox.extend(self.session.on_connect())
        self.turn()

    def turn(self) -> None:
        """Work through what there is to do."""
        while True:
            responses = self._lab.server.note(self.stream, self.stream.step())
            if not responses and not self.stream.inbox:
                return
            for response in responses:
                self._take(response)

    def _take(self, response: Response) -> None:
        update = self.session.on_response(response)
        assert update is not None
        for name, (_, data) in update.resources.items():
            self.values[update.type_url, name] = wire.decode(update.type_url, data)
        for name in update.removed:
            self.values.pop((update.type_url, name), None)
        self.open.append(update)
        if self.eager:
            self._answer()

    def answer(self) -> None:
        """Acknowledge all that waits, except what this node refuses."""
        self._answer()
        self.turn()

    def _answer(self) -> None:
        for update in self.open:
            errors = {n: self.refuses[n] for n in update.resources if n in self.refuses}
            request = self.session.nack(update.nonce, errors) if errors else self.session.ack(update.nonce)
            assert request is not None
            self.stream.inbox.append(request)
        self.open.clear()

    def of(self, cls: type) -> dict[str, Any]:
        """What it has of a type."""
        return {name: value for (url, name), value in self.values.items() if url == wire.URLS[cls]}

    def leave(self) -> None:
        """Its connection ends."""
        self._lab.server.closed(self.stream)
        self._lab.agents.remove(self)


class ControlLab:
    """One cluster."""

    def __init__(self, *objects: RawObject) -> None:
        self.kube = FakeKube(objects, clock=CLOCK)
        self.server = Server()
        self.agents: list[Agent] = []
        trust = TrustLoop(cast("KubeClient", self.kube), CLOCK)
        trust.hold(Authority.create("cluster.local", CLOCK.now()))
        self.control = Control(
            cast("KubeClient", self.kube),
            self.server,
            trust,
            options=Options(),
            clock=CLOCK,
        )

    def agent(self, name: str, *, eager: bool = True) -> Agent:
        """A node connects."""
        agent = Agent(self, name, eager=eager)
        self.agents.append(agent)
        return agent

    async def object(self, kind: str, name: str, namespace: str = "shop") -> RawObject:
        """As the API has it."""
        return await self.kube.get(BY_KIND[kind], namespace, name)

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> Any:
        """What `holds` returns as soon as that is true; agents take their turns meanwhile."""
        async with asyncio.timeout(20):
            while not (found := await holds()):
                for agent in self.agents:
                    agent.turn()
                await asyncio.sleep(0.001)
            return found

    async def condition(self, kind: str, name: str, wanted: Mapping[str, str]) -> dict[str, Any]:
        """The Programmed (or other) condition once it is as wanted: `{"type": …, "status": …}`."""

        async def look() -> Any:
            status = (await self.object(kind, name)).get("status", {})
            return [c for c in status.get("conditions", ()) if wanted.items() <= c.items()]

        found: dict[str, Any] = (await self.until(look))[0]
        return found


def with_control(objects: tuple[RawObject, ...], scene: Callable[[ControlLab], Awaitable[None]]) -> None:
    """Run a scene while control runs, once its first translation is there."""

    async def play() -> None:
        lab = ControlLab(*objects)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(lab.control.run())
            async with asyncio.timeout(20):
                await lab.control.translation.after(0)
            await scene(lab)
            running.cancel()

    asyncio.run(play())
