"""Endpoints that are domain names, as this node resolves them: proxies and the kernel get addresses alone.

In: the newest view (which endpoints have names), the node's DNS server, asked where it tells nothing of hosts that pods
are told otherwise. Out: views in which those endpoints have addresses. A server that says nothing changes nothing; one
that says that there is no address takes the endpoint away.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from tandem.base.addresses import IPV4, family, special_of
from tandem.base.clock import Clock
from tandem.base.members import joined_as_before
from tandem.base.memo import same_as_before
from tandem.drivers.dns.answers import ask
from tandem.drivers.dns.port import DnsError
from tandem.ir.fabric import Endpoint, Endpoints, Service
from tandem.ir.node import AttachedPod, NodeView
from tandem.runtime.due import Due, ask_when_due
from tandem.state.dns import INSIDE, NameAnswer

AT_ONCE: Final = 32
"""Questions that wait for their answer at a time."""
SOONEST: Final = 2.0
LATEST: Final = 30.0
"""Bounds of the time between two questions for a name, in seconds."""
PATIENCE: Final = 1.0
"""At the start; the node's server outlives the agent, and has answers of before at hand."""
AGAIN: Final = 1.0
"""After a question that was not answered."""
Known = Mapping[str, tuple[str, ...]]
Ask = Callable[[str, str, int], Awaitable[NameAnswer]]
"""Name, server, family."""


@dataclass(slots=True)
class _Name(Due):
    addresses: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """By family, sorted."""
    tried: bool = False
    """A first question has had its answer, or none."""
    failed: str = ""


class ResolvedLoop:
    """One per agent. `changed` is called when a new view has to be made; `heard` is told each answer."""

    def __init__(
        self, clock: Clock, changed: Callable[[], None], heard: Callable[[NameAnswer], None], ask: Ask = ask
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._heard = heard
        self._ask = ask
        self._names: dict[str, _Name] = {}
        self._versions: tuple[int, ...] = (IPV4,)
        self._begun = False
        self._tried = asyncio.Event()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._known: dict[str, tuple[str, ...]] = {}

    def into(self, view: NodeView) -> NodeView:
        """The view with addresses in place of the names of endpoints."""
        wanted = _names_of(view.endpoints)
        (versions,) = _versions_of(view.pods)
        self._versions = tuple(sorted(versions)) or (IPV4,)
        if wanted != self._names.keys():
            self._names = {name: self._names.get(name, _Name()) for name in sorted(wanted)}
            self._learn()
            self._wake.set()
        return _resolved(view, self._known) if wanted else view

    async def first(self, view: NodeView) -> None:
        """Before the first view: a moment for first answers.

        An agent that starts again must not take away the endpoints that Envoy and the kernel have of the one before.
        """
        if self._begun:
            return
        self._begun = True
        self.into(view)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not all(state.tried for state in self._names.values()):
                    self._tried.clear()
                    await self._tried.wait()

    async def run(self) -> None:
        """Ask, and ask again before an answer is old, until cancelled."""
        await ask_when_due(lambda: self._names, self._ask_one, self._wake, self._clock, longest=LATEST)

    def status(self) -> dict[str, Any]:
        """Each name with its addresses, and why the last question was not answered."""
        return {
            name: {"addresses": list(self._known.get(name, ()))} | ({"failed": state.failed} if state.failed else {})
            for name, state in self._names.items()
        }

    async def _ask_one(self, name: str, state: _Name) -> None:
        async with self._slots:
            wait = min([await self._answer(name, state, version) for version in self._versions])
        state.due, state.tried = self._clock.monotonic() + wait, True
        self._tried.set()
        if self._learn():
            self._changed()

    async def _answer(self, name: str, state: _Name, version: int) -> float:
        """What is said of one family; the seconds until it is asked for again."""
        try:
            answer = await self._ask(name, INSIDE, version)
        except DnsError as err:
            state.failed = str(err)
            return AGAIN
        state.failed = ""
        state.addresses[version] = tuple(a for a in answer.addresses if _is_usable(a))
        self._heard(answer)
        return min(max(float(answer.ttl), SOONEST), LATEST)

    def _learn(self) -> bool:
        """True if the addresses of a name are others now."""
        found = {name: _all(state, self._versions) for name, state in self._names.items()}
        if found == self._known:
            return False
        self._known = found
        return True


def _all(state: _Name, versions: Iterable[int]) -> tuple[str, ...]:
    return tuple(address for version in versions for address in state.addresses.get(version, ()))


def _is_usable(address: str) -> bool:
    """Whoever owns a name may give it any address: those of loopback and the like are nobody's."""
    return not special_of(ipaddress.ip_network(address))


@partial(joined_as_before, width=1)
def _versions_of(attached: AttachedPod) -> tuple[frozenset[int], ...]:
    return (frozenset(map(family, attached.addresses)),)


@same_as_before
def _names_of(endpoints: Mapping[str, Endpoints]) -> frozenset[str]:
    return frozenset(endpoint.address for members in endpoints.values() for endpoint in members.named)


def _resolved(view: NodeView, known: Known) -> NodeView:
    return msgspec.structs.replace(view, endpoints=_endpoints(view.endpoints, view.services, known))


@same_as_before
def _endpoints(
    endpoints: Mapping[str, Endpoints], services: Mapping[str, Service], known: Known
) -> dict[str, Endpoints]:
    made = dict(endpoints)
    for key, members in endpoints.items():
        if members.named:
            service = services.get(key)
            one = service is not None and service.external is not None and service.external.one_address
            found = (*members.endpoints, *_addressed(members.named, known, one=one))
            # Two names may have one address: Envoy takes each once.
            first = {(e.address, e.ports): e for e in reversed(found)}
            made[key] = msgspec.structs.replace(members, endpoints=tuple(first[k] for k in sorted(first)))
    return made


def _addressed(named: Iterable[Endpoint], known: Known, *, one: bool) -> Iterator[Endpoint]:
    for endpoint in named:
        addresses = known.get(endpoint.address, ())
        for address in addresses[:1] if one else addresses:
            yield msgspec.structs.replace(endpoint, address=address, hostname=endpoint.address)
