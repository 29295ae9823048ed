"""The loop that puts policy in force inside the namespaces of pods behind other plugins, and tells what it drops there.

In: the newest NodeView. Out: the number that is in force, and whose policy was refused with which words. One socket of
the kernel's log for each such namespace; connections that a change denies are ended there, as on the node.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from tandem.base.cell import Cell
from tandem.base.ids import ContainerId
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.compile.nft.guard import compile_guard
from tandem.drivers.envoy.sockets import abort_upstream
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.nft.trace import LOCAL, trace
from tandem.ir.node import AttachedPod, NodeView, foreign_pods
from tandem.observe.conntrack import Connection
from tandem.runtime.enforce import RETRY_SECONDS, Outcome, Views, newest_of
from tandem.runtime.established import TRACKED, Ended, end_where, packet_of
from tandem.state.nft import Ruleset
from tandem.state.ownership import POLICY_TABLE

log = structlog.get_logger()


class Tells(Protocol):
    """`Facts`, as far as it is needed here."""

    async def watch(self, netns: str) -> None:
        """Tell what is dropped in a namespace, until cancelled."""

    def on_ended(self, ended: Iterable[Ended]) -> None:
        """Tell of connections that policy ended."""


def name_of(container_id: ContainerId) -> str:
    """By which the outcome tells of one pod."""
    return f"policy/{container_id}"


@dataclass(slots=True)
class _Guarded:
    driver: NftDriver
    watch: asyncio.Task[None]
    ruleset: Ruleset | None = None


class GuardLoop:
    """One per agent."""

    def __init__(self, facts: Tells, driver: Callable[[str], NftDriver] | None = None) -> None:
        self._facts = facts
        self._driver = driver or (lambda netns: Libnftables(netns, table=POLICY_TABLE))
        self._guarded: dict[ContainerId, _Guarded] = {}
        self.outcome: Cell[Outcome] = Cell(Outcome())

    async def run(self, views: Views) -> None:
        """Apply each newest view; what a kernel refuses is tried again until it holds."""
        seen, failed = -1, False
        async with asyncio.TaskGroup() as tasks:
            while True:
                seen, newest = await newest_of(views, seen, retry=RETRY_SECONDS if failed else None)
                problems = await self._apply(newest.view, tasks)
                failed = bool(problems)
                self.outcome.put(Outcome(number=newest.number, failed=problems))

    async def _apply(self, view: NodeView, tasks: asyncio.TaskGroup) -> dict[str, str]:
        wanted = {p.container_id: p for p in foreign_pods(view.pods) if p.foreign and p.foreign.guarded}
        for container_id in self._guarded.keys() - wanted.keys():
            # The table stays until DEL takes it out: a pod that control has forgotten is not open for that.
            self._guarded.pop(container_id).watch.cancel()
        problems: dict[str, str] = {}
        for container_id, pod in wanted.items():
            guarded = self._guarded.get(container_id)
            if guarded is None:
                watch = tasks.create_task(self._facts.watch(pod.netns))
                guarded = self._guarded[container_id] = _Guarded(self._driver(pod.netns), watch)
            try:
                await self._guard(view, pod, guarded)
            except DriverError as err:
                log.error("policy not in force", container=container_id, error=str(err))
                problems[name_of(container_id)] = str(err)
        return problems

    async def _guard(self, view: NodeView, pod: AttachedPod, guarded: _Guarded) -> None:
        ruleset = compile_guard(view, pod)
        delta = plan(guarded.driver.read(), ruleset)
        if not delta:
            return
        await asyncio.to_thread(guarded.driver.apply, delta)
        before, guarded.ruleset = guarded.ruleset, ruleset
        if before is not None:
            self._facts.on_ended(await asyncio.to_thread(end_denied_inside, pod, ruleset))


def end_denied_inside(pod: AttachedPod, ruleset: Ruleset) -> tuple[Ended, ...]:
    """End what the pod's own table denies now; what was denied. Raises DriverError."""
    denied = denied_inside(pod, ruleset)
    try:
        ended = in_netns(pod.netns, lambda: end_where(lambda connection: denied(connection) or None))
    except OSError as err:
        raise DriverError(f"network namespace {pod.netns}: {err.strerror}") from err
    if pod.pod.meshed:
        peers = ((e.connection.destination, e.connection.port) for e in ended if e.connection.source in pod.addresses)
        abort_upstream(pod.netns, frozenset(peers))
    return ended


def denied_inside(pod: AttachedPod, ruleset: Ruleset) -> Callable[[Connection], str]:
    """The log prefix of the rule that would drop a connection if it were opened now; empty if none would."""
    link = pod.foreign.ifname if pod.foreign is not None else ""

    def route(address: str) -> str:
        return LOCAL if address in pod.addresses or ipaddress.ip_address(address).is_loopback else link

    def arrives_by(source: str) -> str:
        """Empty: the pod itself sends."""
        if ipaddress.ip_address(source).is_loopback:
            return "lo"
        return "" if source in pod.addresses else link

    def denied(connection: Connection) -> str:
        if connection.protocol not in TRACKED:
            return ""
        found = trace(ruleset, packet_of(connection, iifname=arrives_by(connection.source)), route=route)
        return found.log if found.verdict == "drop" else ""

    return denied
