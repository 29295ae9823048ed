"""One delta-xDS stream as seen by the server, sans-IO: messages and wanted resources in, actions out.

Rules kept here:
- A type of the order is held back until its resources are known; nothing is ever served from an empty beginning.
- New and changed resources go out in the order of types, removals in reverse after them: make before break.
- A version is sent once. What the client refused is sent again only when it changes (or is asked for by name anew).
- Every wildcard subscription is answered at least once, if only with nothing: the client learns that it is complete.
- Names that do not exist are answered as removed, so that nobody waits for a timeout; they are sent when they appear.
- A changed resource of a type that others follow sends its follower of the same name again (Envoy warms a changed
  cluster only when it hears of its endpoints anew, and does not ask for them: without this it waits 15 seconds).
- If a refusal does not name its culprits, each resource of that response is sent again alone, and so names itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tandem.base.table import Table
from tandem.drivers.xds.errors import culprits
from tandem.drivers.xds.messages import Accepted, Action, Encoded, Refused, Request, Response

WILDCARD: Final = "*"
_ABSENT: Final = ""
"""In place of a version: the client was told that the name does not exist."""


@dataclass(slots=True)
class _Type:
    """What is known of one type on this stream."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    answered: bool = False

    def interested(self, name: str) -> bool:
        return self.wildcard or name in self.names


@dataclass(frozen=True, slots=True)
class _Sent:
    """A response that waits for its ACK or NACK."""

    type_url: str
    versions: dict[str, str]
    removed: tuple[str, ...]


class Session:
    """The server's end of one stream.

    `order` is the order of types, those outside of it come last and empty; `follows`: type -> the type that follows it.
    """

    def __init__(self, order: Iterable[str], follows: Mapping[str, str] | None = None) -> None:
        self._order = tuple(order)
        self._follows = dict(follows or {})
        self._renew: dict[str, set[str]] = {url: set() for url in self._follows.values()}
        self._wanted: dict[str, Mapping[str, Encoded]] = {}
        self._types: dict[str, _Type] = {}
        self._waiting: dict[str, _Sent] = {}
        self._nonce = 0

    def accepted(self, type_url: str) -> Mapping[str, str]:
        """Name -> version that the client has in force."""
        state = self._types.get(type_url)
        return dict(state.accepted) if state else {}

    @property
    def idle(self) -> bool:
        """True when every response was answered."""
        return not self._waiting

    def asks(self, type_url: str, name: str) -> bool:
        """True if the client is subscribed to this resource."""
        state = self._types.get(type_url)
        return state is not None and state.interested(name)

    def holds(self, type_url: str, name: str) -> bool:
        """True while the client has the resource, or may have it because an answer is outstanding."""
        state = self._types.get(type_url)
        if state is not None and name in state.accepted:
            return True
        return any(s.type_url == type_url and (name in s.versions or name in s.removed) for s in self._waiting.values())

    def on_wanted(self, wanted: Mapping[str, Mapping[str, Encoded]]) -> list[Action]:
        """The complete sets of the given types replace what was wanted before; what differs is sent."""
        news = {url: self._news(url, resources) for url, resources in wanted.items()}
        self._wanted.update(wanted)
        actions: list[Action] = []
        for url in self._sorted(self._types):
            if changed := self._changed(url, news.get(url, ())):
                actions += self._push(url, changed, ())
        for url in reversed(self._sorted(self._types)):
            actions += self._push(url, (), self._vanished(url, news.get(url, ())))
        return actions

    def _news(self, url: str, resources: Mapping[str, Encoded]) -> Collection[str] | None:
        """Of a type, the names that differ from what was wanted before, all of which is sent; None: any may."""
        before = self._wanted.get(url)
        if isinstance(before, Table) and isinstance(resources, Table):
            return resources.changes(before).keys()
        return None

    def on_request(self, request: Request) -> list[Action]:
        """A message of the client: subscriptions, an ACK or a NACK, or several of these at once."""
        url = request.type_url
        first = url not in self._types
        state = self._types.setdefault(url, _Type())
        actions: list[Action] = []
        sent = self._waiting.pop(request.nonce, None) if request.nonce else None
        if sent is not None and sent.type_url == url:
            actions += self._answered(state, sent, request.error)
        if first and request.initial_versions:
            state.sent.update(request.initial_versions)
            state.accepted.update(request.initial_versions)
            actions.append(Accepted(type_url=url, versions=dict(request.initial_versions)))
        asked = self._subscribe(state, request, first=first)
        if self._ready(url) and (first or request.subscribe or request.unsubscribe):
            self._ask_again(state, request, asked)
            actions += self._push(url, self._changed(url), self._vanished(url))
            follower = self._follows.get(url)
            if follower in self._types and (changed := self._changed(follower)):
                actions += self._push(follower, changed, ())
        return actions

    def _subscribe(self, state: _Type, request: Request, *, first: bool) -> tuple[str, ...]:
        names = tuple(n for n in request.subscribe if n != WILDCARD)
        # Without names the first request of a type means all of it (legacy wildcard, xDS protocol).
        if WILDCARD in request.subscribe or (first and not names and not request.unsubscribe):
            state.wildcard = True
        state.names.update(names)
        state.names.difference_update(request.unsubscribe)
        if WILDCARD in request.unsubscribe:
            state.wildcard = False
        if request.unsubscribe:
            for name in [n for n in state.sent if not state.interested(n)]:
                state.sent.pop(name)
                state.accepted.pop(name, None)
        return names

    @staticmethod
    def _ask_again(state: _Type, request: Request, asked: tuple[str, ...]) -> None:
        # A name asked for explicitly must be answered, even if nothing changed (xDS protocol, "resubscribing").
        for name in asked:
            if name not in request.initial_versions:
                state.sent.pop(name, None)

    def _ready(self, url: str) -> bool:
        return url in self._wanted or (url not in self._order and bool(self._wanted))

    def _sorted(self, urls: Iterable[str]) -> list[str]:
        known = [u for u in self._order if u in urls]
        return known + sorted(set(urls) - set(known))

    def _changed(self, url: str, news: Collection[str] | None = None) -> tuple[Encoded, ...]:
        """Of `news` alone, where it is given."""
        state, wanted, renew = self._types[url], self._wanted.get(url, {}), self._renew.get(url, ())
        if news is not None and not renew:
            names: Iterable[str] = sorted(n for n in news if n in wanted and state.interested(n))
        else:
            names = wanted if state.wildcard else sorted(state.names & wanted.keys())
        return tuple(wanted[n] for n in names if n in renew or state.sent.get(n) != wanted[n].version)

    def _vanished(self, url: str, news: Collection[str] | None = None) -> tuple[str, ...]:
        if not self._ready(url):
            return ()
        state, wanted = self._types[url], self._wanted.get(url, {})
        gone = {
            n
            for n in (state.sent if news is None else news)
            if state.sent.get(n, _ABSENT) != _ABSENT and n not in wanted
        }
        named = state.names if news is None else state.names.intersection(news)
        unknown = {n for n in named if n not in wanted and state.sent.get(n) != _ABSENT}
        return tuple(sorted(gone | unknown))

    def _push(self, url: str, resources: tuple[Encoded, ...], removed: tuple[str, ...]) -> list[Action]:
        state = self._types[url]
        due = state.wildcard and not state.answered and self._ready(url)
        if not (resources or removed or due):
            return []
        state.answered = True
        if follower := self._follows.get(url):
            known = {r.name for r in resources if state.sent.get(r.name, _ABSENT) != _ABSENT}
            self._renew[follower].update(known)
        if url in self._renew:
            self._renew[url].difference_update(r.name for r in resources)
        for resource in resources:
            state.sent[resource.name] = resource.version
        for name in removed:
            if name in state.names:
                state.sent[name] = _ABSENT
            else:
                state.sent.pop(name, None)
        self._nonce += 1
        nonce = str(self._nonce)
        self._waiting[nonce] = _Sent(url, {r.name: r.version for r in resources}, removed)
        return [Response(type_url=url, nonce=nonce, resources=resources, removed=removed)]

    def _answered(self, state: _Type, sent: _Sent, error: str | None) -> list[Action]:
        for name in sent.removed:
            state.accepted.pop(name, None)
        if error is None:
            state.accepted.update(sent.versions)
            return [Accepted(type_url=sent.type_url, versions=sent.versions, removed=sent.removed)]
        refused, complete = culprits(error, sent.versions)
        if not refused and len(sent.versions) == 1:
            refused = dict.fromkeys(sent.versions, error)
        actions: list[Action] = []
        rest = {n: v for n, v in sent.versions.items() if n not in refused}
        if refused and (complete or not rest):
            state.accepted.update(rest)
            if rest or sent.removed:
                actions.append(Accepted(type_url=sent.type_url, versions=rest, removed=sent.removed))
        else:
            actions += self._one_by_one(sent.type_url, rest)
        if refused:
            errors = {n: (sent.versions[n], text) for n, text in sorted(refused.items())}
            actions.append(Refused(type_url=sent.type_url, errors=errors))
        return actions

    def _one_by_one(self, url: str, versions: Mapping[str, str]) -> list[Action]:
        wanted, state = self._wanted.get(url, {}), self._types[url]
        actions: list[Action] = []
        for name, version in versions.items():
            current = wanted.get(name)
            if current is not None and current.version == version and state.interested(name):
                actions += self._push(url, (current,), ())
        return actions
