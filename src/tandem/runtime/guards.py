"""The loop that puts policy in force inside the namespaces of pods behind other plugins, and tells what it drops there.

In: the newest NodeView. Out: the number that is in force, and whose policy was refused with which words. One socket of
the kernel's log for each such namespace; connections that a change denies are ended there, as on the node.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from tandem.base.cell import Cell
from tandem.base.ids import ContainerId
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.compile.nft.guard import compile_guard
from tandem.drivers.envoy.sockets import abort
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.real import Libnftables
from tandem.ir.node import AttachedPod, NodeView, foreign_pods
from tandem.observe.conntrack import Connection, end, tracked
from tandem.runtime.enforce import RETRY_SECONDS
from tandem.runtime.established import Ended, Judges, Verdict, ended_of, proxied, verdicts
from tandem.runtime.pod_drift import PodDrift
from tandem.runtime.views import Outcome, Views, newest_of
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
    netns: str
    driver: NftDriver
    watch: asyncio.Task[None]


class GuardLoop:
    """One per agent."""

    def __init__(self, facts: Tells, drift: PodDrift, driver: Callable[[str], NftDriver] | None = None) -> None:
        self._facts = facts
        self._drift = drift
        self._driver = driver or (lambda netns: Libnftables(netns, table=POLICY_TABLE))
        self._guarded: dict[ContainerId, _Guarded] = {}
        self.outcome: Cell[Outcome] = Cell(Outcome())

    async def run(self, views: Views) -> None:
        """Apply each newest view; what a kernel refuses is tried again until it holds."""
        seen, healed, failed = -1, 0, False
        async with asyncio.TaskGroup() as tasks:
            while True:
                retry = RETRY_SECONDS if failed else None
                seen, newest = await newest_of(views, seen, (self._drift.found, healed), retry=retry)
                healed = self._drift.found.version
                problems = await self._apply(newest.view, tasks)
                failed = bool(problems)
                self.outcome.put(Outcome(number=newest.number, failed=problems))

    async def _apply(self, view: NodeView, tasks: asyncio.TaskGroup) -> dict[str, str]:
        wanted = {p.container_id: p for p in foreign_pods(view.pods) if p.foreign and p.foreign.guarded}
        for container_id in self._guarded.keys() - wanted.keys():
            # The table stays until DEL takes it out: a pod that control has forgotten is not open for that.
            gone = self._guarded.pop(container_id)
            gone.watch.cancel()
            self._drift.leave(gone.netns)
        problems: dict[str, str] = {}
        drifted = self._drift.take(POLICY_TABLE)
        for container_id, pod in wanted.items():
            guarded = self._guarded.get(container_id)
            if guarded is None:
                watch = tasks.create_task(self._facts.watch(pod.netns))
                guarded = self._guarded[container_id] = _Guarded(pod.netns, self._driver(pod.netns), watch)
            if pod.netns in drifted:
                guarded.driver.forget()
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
        await self._drift.own(pod.netns, POLICY_TABLE, partial(guarded.driver.apply, delta))
        # Also by an agent that has just started: what policy was before is not known then.
        self._facts.on_ended(await asyncio.to_thread(end_denied_inside, view, pod))


def end_denied_inside(view: NodeView, pod: AttachedPod) -> tuple[Ended, ...]:
    """End what the pod's own table denies now; what was denied. Raises DriverError."""

    def work() -> tuple[Ended, ...]:
        found = verdicts(tracked(), denied_inside(view, pod))
        end(connection for connection, _ in found)
        return ended_of(found)

    try:
        ended = in_netns(pod.netns, work)
    except OSError as err:
        raise DriverError(f"network namespace {pod.netns}: {err.strerror}") from err
    if pod.pod.meshed:
        for netns, pairs in proxied(ended, dict.fromkeys(pod.addresses, pod.netns)).items():
            abort(netns, pairs)
    return ended


def denied_inside(view: NodeView, pod: AttachedPod) -> Callable[[Connection], Verdict]:
    """Whether a connection of the pod would be denied if it were opened now; the node itself is exempt."""
    judges = Judges(view)
    node = frozenset(pod.foreign.node_addresses if pod.foreign is not None else ())

    def denied(connection: Connection) -> Verdict:
        source, destination = connection.source, connection.destination
        if source == destination or any(ipaddress.ip_address(a).is_loopback for a in (source, destination)):
            return None
        if source in pod.addresses:
            return judges.denial(pod.pod.egress, destination, connection.protocol, connection.port)
        if destination in pod.addresses and source not in node:
            return judges.denial(pod.pod.ingress, source, connection.protocol, connection.port)
        return None

    return denied
