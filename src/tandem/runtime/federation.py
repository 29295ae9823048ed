"""Whom this node trusts: our own authority, and what sources say. What Workload APIs tell is kept on disk, too.

In: the sources that control names. Out: SDS secrets, and of what is not as the sources say a sentence for their
conditions. What is not told, or was withdrawn, is trusted by nobody; an API that is away changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from prometheus_client.core import GaugeMetricFamily, Metric

from tandem.base.files import replace_file
from tandem.base.memo import equal_to_before
from tandem.base.problems import DriverError
from tandem.drivers.ca.trusted import anchored, trust_secrets
from tandem.drivers.spiffe.port import Bundles, NotEntitledError, WorkloadApi
from tandem.drivers.xds.messages import Encoded
from tandem.ir.fabric import MeshConfig
from tandem.ir.trust import TrustSource

log = structlog.get_logger()

FIRST_RETRY: Final = 0.1
LAST_RETRY: Final = 15.0
_WAITED_FOR: Final = "it has told nothing yet"


class Federation:
    """One per agent. `changed` is called when other secrets have to be asked for."""

    def __init__(self, journal: Path, api: WorkloadApi, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._api = api
        self._changed = changed
        self._told: dict[str, Bundles] = _load(journal)
        """By socket, the last word."""
        self._silent: dict[str, str] = {}
        """By socket, why there is no newer one."""
        self._sources: tuple[TrustSource, ...] | None = None
        """None: control has not said yet."""
        self._ours = ""
        self._wake = asyncio.Event()
        self._made = equal_to_before(_made)

    def secrets(self, config: MeshConfig) -> Mapping[str, Encoded]:
        """Whom to trust by this configuration, and by what was told; nothing while there is no authority of our own."""
        if config.trust_sources != self._sources:
            self._sources = config.trust_sources
            sockets = _sockets(self._sources)
            self._told = {socket: told for socket, told in self._told.items() if socket in sockets}
            self._wake.set()
        if not config.roots_pem:
            return {}
        domains = config.domains
        self._ours = config.roots_pem
        own = config.roots_pem + self._bundle(domains.own)
        others = {name: self._bundle(name) for name in domains.foreign} if domains.sourced else None
        return self._made((domains.own, own, others))

    async def run(self) -> None:
        """Listen to every API that some source names, until cancelled."""
        listening: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                wanted = _sockets(self._sources or ())
                for socket in listening.keys() - wanted:
                    listening.pop(socket).cancel()
                    self._silent.pop(socket, None)
                for socket in wanted - listening.keys():
                    listening[socket] = tasks.create_task(self._listen(socket))
                await self._wake.wait()

    def unmet(self) -> list[dict[str, str]]:
        """The sources that are not in force as written."""
        return [
            {"kind": o.kind, "namespace": o.namespace, "name": o.name, "message": "; ".join(texts)}
            for source in self._sources or ()
            for o, texts in ((source.origin, tuple(self._missing(source))),)
            if texts
        ]

    @property
    def failed(self) -> tuple[str, ...]:
        """One sentence for each API that is silent."""
        return tuple(f"Workload API {socket}: {why}" for socket, why in sorted(self._silent.items()))

    @property
    def untold(self) -> tuple[str, ...]:
        """Trust domains that sources name and of which there are no roots."""
        named = {domain for source in self._sources or () for domain in source.domains}
        return tuple(sorted(domain for domain in named if not self._bundle(domain)))

    def _missing(self, source: TrustSource) -> Iterator[str]:
        told = self._told.get(source.socket, {})
        why = self._silent.get(source.socket, "" if told else _WAITED_FOR) if source.socket else ""
        if why:
            yield f"{source.socket}: {why}" + ("; what it told last goes on" if told else "")
        for domain in source.domains:
            if not anchored(self._said(source, domain)):
                yield f"{domain}: no root is told, its peers are refused"
        if self._ours and not anchored(self._ours):
            yield "no root of our own authority signs itself: beside such roots no other trust domain can be trusted"

    def _bundle(self, domain: str) -> str:
        """The roots that sources tell of a domain, each once."""
        said = (self._said(source, domain) for source in self._sources or () if domain in source.domains)
        return "".join(dict.fromkeys(said))

    def _said(self, source: TrustSource, domain: str) -> str:
        return self._told.get(source.socket, {}).get(domain, "") if source.socket else source.roots_pem

    async def _listen(self, socket: str) -> None:
        pause = FIRST_RETRY
        while True:
            try:
                async for bundles in self._api.bundles(socket):
                    pause = FIRST_RETRY
                    self._silent.pop(socket, None)
                    await self._take(socket, bundles)
            except NotEntitledError as err:
                # SPIFFE_Workload_API.md, 5.2.2: that is how everything is redacted.
                self._fall_silent(socket, f"it grants nothing to this agent ({err})")
                await self._take(socket, {})
            except DriverError as err:
                self._fall_silent(socket, str(err))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_RETRY)

    def _fall_silent(self, socket: str, why: str) -> None:
        if self._silent.get(socket) != why:
            log.warning("Workload API is silent", socket=socket, why=why)
            self._silent[socket] = why

    async def _take(self, socket: str, bundles: Bundles) -> None:
        """The last word of an API; what it does not tell any more is no longer trusted (4.4 there)."""
        if self._told.get(socket, {}) == bundles:
            return
        log.info("bundles told", socket=socket, trust_domains=sorted(bundles))
        self._told = {**self._told, socket: dict(bundles)}
        self._changed()
        try:
            await asyncio.to_thread(replace_file, self._journal, msgspec.json.encode(self._told))
        except OSError as err:
            log.error("bundles not kept", path=str(self._journal), error=str(err))


class TrustFigures:
    """Prometheus: trust domains without roots, and APIs that tell nothing."""

    def __init__(self, federation: Federation) -> None:
        self._federation = federation

    def collect(self) -> Iterator[Metric]:
        """The figures of now."""
        untold = "Trust domains that sources name and of which there are no roots: their peers are refused."
        yield GaugeMetricFamily("tandem_trust_domains_untold", untold, value=len(self._federation.untold))
        silent = "Workload APIs that tell nothing at present: what they told last goes on."
        yield GaugeMetricFamily("tandem_workload_apis_silent", silent, value=len(self._federation.failed))


def _sockets(sources: Collection[TrustSource]) -> frozenset[str]:
    return frozenset(source.socket for source in sources if source.socket)


def _made(said: tuple[str, str, Mapping[str, str] | None]) -> dict[str, Encoded]:
    return trust_secrets(*said)


def _load(journal: Path) -> dict[str, Bundles]:
    """What an earlier agent was told; a file that cannot be read is none."""
    try:
        found: Any = msgspec.json.decode(journal.read_bytes(), type=dict[str, dict[str, str]])
    except (OSError, msgspec.DecodeError):
        return {}
    return dict(found)
