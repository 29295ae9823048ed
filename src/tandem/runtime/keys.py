"""Key sets for tokens, as this node fetched them: again and again, kept on disk, the last good ones in force.

In: the newest view (which issuers pods and gateways take tokens of), what they refused. Out: views with keys. Of an
issuer whose keys were never there no token is valid, and the condition of what names it says so.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tandem.base.clock import Clock, rfc3339
from tandem.base.files import replace_file
from tandem.base.ids import PodUid
from tandem.base.jwks import KeySetError, public_key_set
from tandem.base.netns import OWN_NETNS
from tandem.base.problems import DriverError, Origin
from tandem.compile.names import gateway_client
from tandem.drivers.jwks.port import Answer, Fetcher, Place
from tandem.ir.authn import FetchedKeys, JwtRule
from tandem.ir.node import NodeView, meshed_pods
from tandem.runtime.due import Due, ask_when_due

log = structlog.get_logger()

REFRESH_SECONDS: Final = 1200.0
"""After which keys are asked for again, if the issuer says of no shorter time."""
SOONEST_SECONDS: Final = 10.0
"""The least time between two questions about an issuer whose keys are there."""
FIRST_RETRY: Final = 1.0
LAST_RETRY: Final = 60.0
AT_ONCE: Final = 4
TRIES: Final = 3
"""Of those who need the keys so many are tried in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asker:
    """A pod of the mesh or a gateway: from its namespace its keys are asked for."""

    uid: PodUid
    namespace: str
    netns: str
    rules: tuple[JwtRule, ...]


@dataclass(slots=True, kw_only=True)
class _Set(Due):
    """What is known of one source."""

    keys: FetchedKeys
    askers: tuple[_Asker, ...]
    origins: frozenset[Origin]
    since: float = 0.0
    retry: float = FIRST_RETRY
    error: str = ""


class KeysLoop:
    """One per agent. `changed` is called when a new view has to be made."""

    def __init__(self, journal: Path, fetcher: Fetcher, clock: Clock, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._fetcher = fetcher
        self._clock = clock
        self._changed = changed
        self._known: dict[str, str] = _load(journal)
        self._sets: dict[str, _Set] = {}
        self._view: NodeView | None = None
        self._wake = asyncio.Event()
        self.fetches = {"good": 0, "failed": 0}

    def into(self, view: NodeView) -> NodeView:
        """The view with the keys that there are of the issuers that its pods and gateways name."""
        self._view = view
        users: dict[str, list[_Asker]] = {}
        named: dict[str, tuple[FetchedKeys, set[Origin]]] = {}
        for asker in _askers(view):
            for rule in asker.rules:
                if isinstance(rule.keys, FetchedKeys):
                    users.setdefault(rule.keys.source, []).append(asker)
                    first, said = named.get(rule.keys.source, (rule.keys, set()))
                    named[rule.keys.source] = min(first, rule.keys, key=_kept), {*said, rule.origin}
        for source in self._sets.keys() - named.keys():
            del self._sets[source]
        for source, (keys, origins) in named.items():
            askers = tuple(users[source])
            if source in self._sets:
                known = self._sets[source]
                if keys.keep_ms != known.keys.keep_ms:
                    known.due = min(known.due, known.since + _kept(keys))
                    self._wake.set()
                known.keys, known.askers, known.origins = keys, askers, frozenset(origins)
            else:
                self._sets[source] = _Set(keys=keys, askers=askers, origins=frozenset(origins))
                self._wake.set()
        return msgspec.structs.replace(view, keys=self._known) if named else view

    async def run(self) -> None:
        """Fetch what is due, until cancelled."""
        renew = partial(self._renew, asyncio.Semaphore(AT_ONCE))
        await ask_when_due(lambda: self._sets, renew, self._wake, self._clock, longest=LAST_RETRY)

    def missed(self, uid: PodUid) -> None:
        """A pod or a gateway refused a token whose key it has not: the issuer may have a new one."""
        now = self._clock.monotonic()
        for known in self._sets.values():
            if any(asker.uid == uid for asker in known.askers):
                known.due = min(known.due, max(now, known.since + SOONEST_SECONDS))
                self._wake.set()

    def status(self) -> list[dict[str, str]]:
        """Each source: since when its keys are what they are, and why there are no newer ones."""
        return [
            {"source": source, "keys": "there" if source in self._known else "missing", "error": known.error}
            for source, known in sorted(self._sets.items())
        ]

    def unmet(self) -> list[dict[str, str]]:
        """The objects that name an issuer whose keys were never there."""
        return [
            {"kind": o.kind, "namespace": o.namespace, "name": o.name, "message": _missing(source, known)}
            for source, known in sorted(self._sets.items())
            if source not in self._known and known.error
            for o in sorted(known.origins)
        ]

    @property
    def missing(self) -> int:
        """Issuers without keys."""
        return len(self._sets.keys() - self._known.keys())

    @property
    def failed(self) -> tuple[str, ...]:
        """One sentence for each source that could not be asked the last time."""
        sets = sorted(self._sets.items())
        return tuple(
            _missing(source, known) if source not in self._known else f"keys of {source} are not renewed: {known.error}"
            for source, known in sets
            if known.error
        )

    async def _renew(self, slots: asyncio.Semaphore, source: str, known: _Set) -> None:
        async with slots:
            try:
                answer = await self._ask(known)
                text = public_key_set(answer.text, symmetric=False)
            except (DriverError, KeySetError) as err:
                self._on_failure(source, known, str(err))
            else:
                await self._on_keys(source, known, text, answer.seconds)

    async def _ask(self, known: _Set) -> Answer:
        """Over a connection of one of those that need the keys: the first that gets through."""
        keys = known.keys
        error = DriverError("nobody of this node is there to ask")
        for asker in known.askers[:TRIES]:
            resolve, outward = partial(self._resolve, asker.namespace), asker.netns == OWN_NETNS
            place = Place(url=keys.url, discover=keys.discover, timeout=keys.timeout_ms / 1000, outward=outward)
            try:
                return await asyncio.to_thread(self._fetcher.fetch, place, asker.netns, resolve)
            except DriverError as err:
                error = err
        raise error

    def _resolve(self, home: str, host: str) -> tuple[str, ...]:
        """A Service by its names in the cluster, everything else as the node does."""
        view = self._view
        assert view is not None  # noqa: S101 - pods come with a view
        domain = view.config.cluster_domain
        name, *rest = host.removesuffix(".").removesuffix(f".{domain}").removesuffix(".svc").split(".")
        key = f"{rest[0] if rest else home}/{name}"
        service = view.services.get(key) if len(rest) < 2 else None
        if service is not None and service.cluster_ips:
            return service.cluster_ips
        if service is not None and key in view.endpoints:
            return tuple(endpoint.address for endpoint in view.endpoints[key].endpoints)
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return ()
        return tuple(dict.fromkeys(str(info[4][0]) for info in found))

    def _on_failure(self, source: str, known: _Set, error: str) -> None:
        self.fetches["failed"] += 1
        if error != known.error:
            log.warning("keys not fetched", source=source, error=error)
        known.error = error
        known.due = self._clock.monotonic() + known.retry
        known.retry = min(known.retry * 2, LAST_RETRY)

    async def _on_keys(self, source: str, known: _Set, text: str, seconds: float | None) -> None:
        self.fetches["good"] += 1
        now = self._clock.monotonic()
        longest = _kept(known.keys)
        kept = longest if seconds is None else min(longest, max(seconds, SOONEST_SECONDS))
        known.error, known.retry, known.since, known.due = "", FIRST_RETRY, now, now + kept
        if self._known.get(source) != text:
            log.info("keys fetched", source=source, at=rfc3339(self._clock.now()))
            self._known = {**{s: k for s, k in self._known.items() if s in self._sets}, source: text}
            self._changed()
            try:
                await asyncio.to_thread(replace_file, self._journal, msgspec.json.encode(self._known))
            except OSError as err:
                log.error("keys not kept", path=str(self._journal), error=str(err))


class KeyFigures:
    """Prometheus: issuers without keys, and what became of fetches."""

    def __init__(self, keys: KeysLoop) -> None:
        self._keys = keys

    def collect(self) -> Iterator[Metric]:
        """The figures of now."""
        missing = GaugeMetricFamily(
            "tandem_jwks_missing", "Issuers whose keys were never there: their tokens are refused."
        )
        missing.add_metric((), self._keys.missing)
        yield missing
        fetches = CounterMetricFamily("tandem_jwks_fetches", "Key sets that were asked for.", labels=("result",))
        for result, count in self._keys.fetches.items():
            fetches.add_metric((result,), count)
        yield fetches


def _askers(view: NodeView) -> Iterator[_Asker]:
    """Pods first: a way through the mesh is better than that of the node."""
    for attached in meshed_pods(view.pods):
        pod = attached.pod
        yield _Asker(uid=pod.uid, namespace=pod.namespace, netns=attached.netns, rules=pod.authentication)
    for gateway in view.gateways.values():
        uid = gateway_client(gateway.namespace, gateway.name)
        yield _Asker(uid=uid, namespace=gateway.namespace, netns=OWN_NETNS, rules=gateway.authentication)


def _kept(keys: FetchedKeys) -> float:
    """For how many seconds they are taken for the newest at most."""
    return max(keys.keep_ms / 1000, SOONEST_SECONDS) if keys.keep_ms else REFRESH_SECONDS


def _missing(source: str, known: _Set) -> str:
    return f"there are no keys of {source}, every token of it is refused: {known.error}"


def _load(journal: Path) -> dict[str, str]:
    """What an earlier agent had; a file that cannot be read is none."""
    try:
        found: Any = msgspec.json.decode(journal.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}
    return dict(found)
