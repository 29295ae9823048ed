"""Names in policies, as this node knows them: learned from what pods are told, asked for ahead of them, kept on disk.

In: the newest view (which names policies are about), copies of the node's answers, its DNS server. Out: views with the
addresses that names have. Nothing is learned, kept or logged of a name that no policy of this node is about.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from tandem.base.addresses import family
from tandem.base.clock import Clock
from tandem.base.files import replace_file
from tandem.base.memo import same_as_before
from tandem.base.problems import DriverError
from tandem.compile.dns import compile_hosts
from tandem.compile.nft.domains import patterns_of_pods
from tandem.drivers.dns.answers import ask, read
from tandem.drivers.dns.port import DnsError
from tandem.ir.fabric import MeshConfig, Node
from tandem.ir.node import AttachedPod, NodeView
from tandem.observe.answers import open_answers, watch_answers
from tandem.observe.conntrack import tracked
from tandem.runtime.names import Name, Names
from tandem.state.dns import INSIDE, NameAnswer

log = structlog.get_logger()

AT_ONCE: Final = 32
"""Questions that wait for their answer at a time."""
PAUSE: Final = 0.1
"""The least time between two looks at what is due, and between two writings of the file."""
FORGET_SECONDS: Final = 600.0
"""An address that ended is remembered so long, and then for as long as somebody is connected to it."""
TOLD: Final = 200
"""Names, and addresses of one, that the node's status tells of."""
RETRY_SECONDS: Final = 5.0
GATHER: Final = 0.05
BURST: Final = 20
"""So many views for what is learned are made at once, after that one in GATHER seconds. What comes between waits: a pod
that asks for ever new names does not busy the agent."""
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class DomainsLoop:
    """One per agent. `changed` is called when a new view has to be made."""

    def __init__(self, journal: Path, clock: Clock, changed: Callable[[], None]) -> None:
        self._journal = journal
        self._clock = clock
        self._changed = changed
        self._names = Names(_load(journal))
        self._patterns: frozenset[str] = frozenset()
        self._view: NodeView | None = None
        self._versions: tuple[int, ...] = ()
        self._wake = asyncio.Event()
        self._dirty = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._slot = -math.inf
        self._telling: asyncio.TimerHandle | None = None
        self.failed: dict[str, str] = {}

    def into(self, view: NodeView) -> NodeView:
        """The view with what is known of the names that its policies are about."""
        self._view = view
        judged = patterns_of_pods(view)
        patterns = frozenset[str]().union(*judged.values())
        self._versions = _versions(pod for pod in view.pods if pod.pod.egress in judged) if judged else ()
        if patterns != self._patterns:
            self._patterns = patterns
            self._names.want(patterns, self._clock.now())
            self._wake.set()
        if not patterns:
            return view
        return msgspec.structs.replace(view, learned=self._names.learned, lapsed=self._names.lapsed)

    async def run(self) -> None:
        """Learn, ask and keep, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._ask_all(tasks))
            tasks.create_task(self._keep())
            tasks.create_task(self._forget())

    @property
    def asking(self) -> int:
        """Questions of ours that wait for their answer."""
        return self._names.asking

    def status(self) -> dict[str, Any]:
        """The patterns that policies are about, and the addresses of names, those that pods asked for last."""
        known = {text: sorted(name.until) for text, name in self._names.known.items() if name.until}
        told = sorted(known, key=lambda text: -self._names.known[text].asked)[:TOLD]
        return {
            "patterns": sorted(self._patterns),
            "known": len(known),
            "addresses": {text: known[text][:TOLD] for text in sorted(told)},
        }

    def take(self, message: bytes) -> None:
        """An answer of the node's DNS server to a pod."""
        answer = read(message, self._names.wants)
        if answer is not None and self._names.take(self._acceptable(answer), self._clock.now()):
            self._on_change()

    def hear(self, answer: NameAnswer) -> None:
        """What the agent itself was told of a name that proxies dial for pods."""
        if self._names.wants(answer.name) and self._names.take(self._acceptable(answer), self._clock.now()):
            self._on_change()

    def _on_change(self) -> None:
        self._dirty.set()
        self._wake.set()
        if self._telling is None:
            loop = asyncio.get_running_loop()
            now = loop.time()
            self._slot = max(self._slot, now - BURST * GATHER) + GATHER
            self._telling = loop.call_at(max(now, self._slot), self._tell)

    def _tell(self) -> None:
        self._telling = None
        self._changed()

    async def _listen(self) -> None:
        """A kernel that does not copy answers is a problem that is told: then names are known by our questions only."""
        while True:
            try:
                sock = open_answers()
            except DriverError as err:
                self.failed = {"names": f"addresses of names are not learned from answers: {err}"}
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.failed = {}
            await watch_answers(sock, self.take)

    async def _ask_all(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._wake.clear()
            for name in self._names.ask(self._clock.now()):
                tasks.create_task(self._ask_one(name))
            wait = max(PAUSE, min(self._names.next_due() - self._clock.now(), RETRY_SECONDS))
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _ask_one(self, name: str) -> None:
        answers: list[NameAnswer] = []
        versions = self._versions
        async with self._slots:
            for version in versions:
                answers += await self._answer(name, version)
        whole = bool(answers) and len(answers) == len(versions)
        found = [self._acceptable(answer) for answer in answers]
        if self._names.answered(name, found, self._clock.now(), whole=whole):
            self._on_change()
        self._dirty.set()
        self._wake.set()

    async def _answer(self, name: str, version: int) -> list[NameAnswer]:
        """Empty if no server of ours says anything: that is nothing to be told, since it is known in other ways."""
        for server in _servers(self._view, name) if self._view is not None else ():
            try:
                return [await ask(name, server, version)]
            except DnsError:
                continue
        return []

    def _acceptable(self, answer: NameAnswer) -> NameAnswer:
        if self._view is None or not answer.addresses:
            return answer
        refused = _refused(self._view, answer.name)
        found = tuple(a for a in answer.addresses if not refused(ipaddress.ip_address(a)))
        return NameAnswer(name=answer.name, version=answer.version, addresses=found, ttl=answer.ttl)

    async def _keep(self) -> None:
        try:
            while True:
                await self._dirty.wait()
                self._dirty.clear()
                await asyncio.to_thread(self._write, msgspec.json.encode(self._names.known))
                await asyncio.sleep(PAUSE)
        finally:
            if self._dirty.is_set():
                self._write(msgspec.json.encode(self._names.known))

    def _write(self, data: bytes) -> None:
        """A file that cannot be written closes nothing; the next agent then learns anew."""
        try:
            replace_file(self._journal, data)
        except OSError as err:
            log.error("names not kept", path=str(self._journal), error=str(err))

    async def _forget(self) -> None:
        while True:
            await asyncio.sleep(FORGET_SECONDS / 10)
            if not self._names.lapsed:
                continue
            try:
                connected = await asyncio.to_thread(_connected)
            except DriverError as err:
                log.error("connections not listed", error=str(err))
                continue
            self._names.forget(connected, self._clock.now(), after=FORGET_SECONDS)
            self._on_change()


def _servers(view: NodeView, name: str) -> tuple[str, ...]:
    """Where to ask: of a host of which pods are told an address of ours, where its own ones are told."""
    return (INSIDE,) if f"{name}." in {record.name for record in compile_hosts(view)} else view.config.dns_addresses


def _refused(view: NodeView, name: str) -> Callable[[ipaddress.IPv4Address | ipaddress.IPv6Address], bool]:
    """What a name of the outside cannot open: the cluster's own addresses, and those that are nobody's name.

    Whoever owns a name below a permitted wildcard may give it any address.
    """
    inside = name.endswith("." + view.config.cluster_domain.lower().strip("."))
    own = () if inside else _own_networks(view.config, view.nodes, view.node)

    def refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        nobody = address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local
        return nobody or any(address in network for network in own)

    return refused


@same_as_before
def _own_networks(config: MeshConfig, nodes: Mapping[str, Node], node: Node) -> tuple[_Network, ...]:
    pods = config.pod_networks or [cidr for each in (*nodes.values(), node) for cidr in each.prefixes]
    return tuple(ipaddress.ip_network(cidr) for cidr in (*pods, *config.service_cidrs))


def _versions(pods: Iterable[AttachedPod]) -> tuple[int, ...]:
    return tuple(sorted({family(address) for pod in pods for address in pod.addresses}))


def _connected() -> Collection[str]:
    return {connection.destination for connection in tracked()}


def _load(path: Path) -> dict[str, Name]:
    """What an earlier agent knew; nothing if that cannot be read, which closes and does not open."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Name])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as err:
        log.error("names not read", path=str(path), error=str(err))
        return {}
