"""What each client should have and what it has accepted: publications and session actions in, waiting callers woken.

No sockets here; `server.py` moves the messages. A client may have two streams for a moment (it reconnected before the
old one was found dead) or longer (another process takes over from it); the newest one of the highest generation speaks
for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

from tandem.base.problems import DriverError
from tandem.drivers.xds.messages import Accepted, Action, Encoded, Refused, Request, Response
from tandem.drivers.xds.session import Session
from tandem.state.xds import ENDPOINT, EXTENSION, ROUTE, SECRET

Key = tuple[str, str]
"""(type URL, resource name)."""

# Envoy asks for these when a cluster or listener refers to them, and does so before it acknowledges that one.
BY_NAME: Final = frozenset({ENDPOINT, SECRET, EXTENSION, ROUTE})

Wanted = Mapping[str, Mapping[str, Encoded]]


class NotAcceptedError(DriverError):
    """The client refused, or did not answer in time."""


class Stream:
    """One open stream: its session, the messages that came in, and what was published since."""

    def __init__(self, client: str, session: Session, wanted: Wanted, generation: int = 0) -> None:
        self.client = client
        self.generation = generation
        self.session = session
        self.inbox: deque[Request | None] = deque()
        self.wanted: dict[str, Mapping[str, Encoded]] = dict(wanted)
        self.wake = asyncio.Event()

    def step(self) -> list[Action]:
        """The actions due now. Of several publications since the last step only the newest counts."""
        self.wake.clear()
        actions: list[Action] = []
        if self.wanted:
            wanted, self.wanted = self.wanted, {}
            actions += self.session.on_wanted(wanted)
        while self.inbox:
            request = self.inbox.popleft()
            if request is not None:
                actions += self.session.on_request(request)
        return actions

    def offer(self, wanted: Wanted) -> None:
        """A publication."""
        self.wanted.update(wanted)
        self.wake.set()


class Board:
    """All clients of one server."""

    def __init__(self) -> None:
        self._published: dict[str, dict[str, Mapping[str, Encoded]]] = {}
        self._common: dict[str, Mapping[str, Encoded]] = {}
        self._streams: dict[str, list[Stream]] = {}
        self._refused: dict[str, dict[Key, tuple[str, str]]] = {}
        self._changed = asyncio.Event()
        self.on_connect: Callable[[str], None] | None = None
        self.on_disconnect: Callable[[str], None] | None = None
        self.on_ack: Callable[[str, str, Mapping[str, str]], None] | None = None
        self.on_nack: Callable[[str, str, Mapping[str, tuple[str, str]]], None] | None = None

    def publish(self, client: str | None, wanted: Wanted) -> None:
        """Replace the wanted sets of these types for one client, or (None) for every client without sets of its own."""
        if client is None:
            self._common.update(wanted)
        else:
            self._published.setdefault(client, {}).update(wanted)
        for name in self._streams if client is None else (client,):
            own = self._published.get(name, {})
            news = wanted if client is not None else {u: r for u, r in wanted.items() if u not in own}
            for stream in self._streams.get(name, ()):
                stream.offer(news)
        self._notify()

    def forget(self, client: str) -> None:
        """The client is gone for good: what was published for it alone is dropped."""
        self._published.pop(client, None)
        self._refused.pop(client, None)

    def opened(self, client: str, session: Session, generation: int = 0) -> Stream:
        """A stream of `client` began."""
        stream = Stream(client, session, {**self._common, **self._published.get(client, {})}, generation)
        streams = self._streams.setdefault(client, [])
        streams.append(stream)
        streams.sort(key=attrgetter("generation"))
        if len(streams) == 1 and self.on_connect:
            self.on_connect(client)
        return stream

    def closed(self, stream: Stream) -> None:
        """A stream ended."""
        streams = self._streams[stream.client]
        streams.remove(stream)
        if not streams:
            del self._streams[stream.client]
            if self.on_disconnect:
                self.on_disconnect(stream.client)
        self._notify()

    def note(self, stream: Stream, actions: list[Action]) -> list[Response]:
        """After each step: tell callbacks and waiting callers what came of it; the responses are left to be sent."""
        responses = []
        for action in actions:
            match action:
                case Response():
                    responses.append(action)
                case Accepted(type_url=url, versions=versions):
                    refused = self._refused.setdefault(stream.client, {})
                    for name in (*versions, *action.removed):
                        refused.pop((url, name), None)
                    if self.on_ack:
                        self.on_ack(stream.client, url, versions)
                case Refused(type_url=url, errors=errors):
                    refused = self._refused.setdefault(stream.client, {})
                    refused.update({(url, name): error for name, error in errors.items()})
                    if self.on_nack:
                        self.on_nack(stream.client, url, errors)
        self._notify()  # also without actions: that a publication changes nothing for the client is an answer
        return responses

    @property
    def clients(self) -> tuple[str, ...]:
        """Who is connected."""
        return tuple(sorted(self._streams))

    def accepted_versions(self, client: str, type_url: str) -> Mapping[str, str]:
        """Name -> version that the connected client has in force; empty if it is not connected."""
        streams = self._streams.get(client)
        return streams[-1].session.accepted(type_url) if streams else {}

    def refusals(self, client: str) -> Mapping[Key, tuple[str, str]]:
        """What the client refuses at present: (version, its words)."""
        return dict(self._refused.get(client, {}))

    async def accepted(self, client: str, versions: Mapping[Key, str], timeout: float) -> None:  # noqa: ASYNC109
        """Return when all are in force; version "" means: the client no longer has it.

        A version that was superseded meanwhile counts as soon as the newer one is in force; endpoints, routes and
        secrets that nothing refers to, so that Envoy does not ask for them, are not waited for. Raises NotAcceptedError
        when the client refuses one of them, or after `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                while missing := self._missing(client, versions):
                    self._raise_refused(client, missing)
                    await self._changed.wait()
        except TimeoutError:
            names = ", ".join(sorted(name for _, name in self._missing(client, versions)))
            state = "connected" if client in self._streams else "not connected"
            raise NotAcceptedError(f"{client} ({state}) has not accepted within {timeout:g} s: {names}") from None

    def _missing(self, client: str, versions: Mapping[Key, str]) -> list[Key]:
        streams = self._streams.get(client)
        if not streams or streams[-1].wanted:
            return list(versions)
        session = streams[-1].session
        in_force = {url: session.accepted(url) for url in {url for url, _ in versions}}
        missing = []
        for (url, name), version in versions.items():
            current = self._version(client, url, name)
            if version == "" or current == "":
                done = not session.holds(url, name)
            else:
                done = in_force[url].get(name) in {version, current}
            if not done:
                missing.append((url, name))
        unasked = session.idle and all(u in BY_NAME and not session.asks(u, n) for u, n in missing)
        return [] if unasked else missing

    def _version(self, client: str, url: str, name: str) -> str:
        wanted = self._published.get(client, {}).get(url, self._common.get(url, {})).get(name)
        return wanted.version if wanted is not None else ""

    def _raise_refused(self, client: str, missing: list[Key]) -> None:
        refused = self._refused.get(client, {})
        texts = []
        for url, name in missing:
            version, text = refused.get((url, name), ("", ""))
            if version and version == self._version(client, url, name):
                texts.append(f"{name}: {text}")
        if texts:
            raise NotAcceptedError(f"{client} refuses " + "; ".join(sorted(texts)))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
