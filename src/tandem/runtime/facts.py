"""What a node sees, made into flows and sent to control: kernel drops, Envoy's access logs, and the node's own status.

In: the newest view (for names and Origins), the kernel's log, access log messages. Out: reports. Also ends the
connections that a change of policy denies.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import msgspec
import structlog

from tandem.base.clock import Clock
from tandem.base.ids import PodUid
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError, Origin
from tandem.compile.names import DATAGRAMS, LOST_DATAGRAMS, is_staged, tells_isolation
from tandem.ir.node import NodeView
from tandem.observe.accesslog import UNKNOWN_KEY, Names, flows_of
from tandem.observe.counts import RuleCount
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.observe.logged import ended, logged_part
from tandem.observe.nflog import Attribution, Handed, open_log, watch_drops
from tandem.runtime.established import Ended, end_denied, gone_addresses, policy_changed
from tandem.runtime.judged import Judged
from tandem.runtime.limited import LimitFigures
from tandem.runtime.reports import Report, encode
from tandem.runtime.unanswered import Unanswered
from tandem.runtime.vanished import services_changed
from tandem.runtime.whois import Whois

log = structlog.get_logger()

FLUSH_SECONDS: Final = 0.2
STATUS_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.2
AGAIN_SECONDS: Final = 5.0
"""Before connections are looked at again that could not be ended."""
COUNT_SECONDS: Final = 5.0
TALLY_SECONDS: Final = 0.5
LARGEST_BATCH: Final = 500


def names_for(node: str, whois: Whois) -> Names:
    """What access logs are read with."""
    return Names(
        node=node,
        pod=whois.pod,
        party=whois.party,
        route=whois.route,
        fault=whois.fault,
        refused=whois.refused,
        outbound=whois.outbound,
        authorized=whois.authorized,
        staged=whois.staged,
        authenticated=whois.authenticated,
        dialled=whois.dialled,
        behind=whois.behind,
    )


class Facts:
    """One per agent. `report` hands bytes to control and never blocks."""

    def __init__(
        self,
        node: str,
        view: Callable[[], NodeView | None],
        report: Callable[[bytes], None],
        clock: Clock,
        counted: Callable[[], tuple[RuleCount, ...]] = tuple,
    ) -> None:
        self._counted = counted
        self._node = node
        self._view = view
        self._report = report
        self._clock = clock
        self._judged = Judged(view, uuid4().hex)
        self._flows: deque[Flow] = deque(maxlen=10_000)
        self._changes: asyncio.Queue[tuple[NodeView | None, NodeView]] = asyncio.Queue()
        self._gone: frozenset[str] = frozenset()
        """Addresses whose pods left since connections were looked at: another pod may have one by then."""
        self._known: tuple[NodeView, Whois] | None = None
        self._told: Mapping[str, Any] = {}
        self.on_drop: Callable[[bytes], object] = bool
        """Is given the beginning of each packet that the kernel dropped."""
        self.on_unknown_key: Callable[[PodUid], object] = bool
        """Is given the pod that refused a token whose key it does not have."""
        self.unanswered = Unanswered(clock)
        self.limited = LimitFigures()
        self._told_counts: tuple[RuleCount, ...] | None = None
        self.ended = 0
        """Connections that changes of policy have ended."""

    async def run(self, status: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        """Watch and report until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(open_log()))
            tasks.create_task(self._flush())
            tasks.create_task(self._tell_status(status))
            tasks.create_task(self._end_denied())
            tasks.create_task(self._tell_counts())
            tasks.create_task(self._tell_tallies())

    async def watch(self, netns: str) -> None:
        """Tell what is dropped inside a namespace, until cancelled or the kernel refuses to tell."""
        try:
            sock = await asyncio.to_thread(in_netns, netns, open_log)
        except (DriverError, OSError) as err:
            log.error("drops are not told", netns=netns, error=str(err))
            return
        await self._watch(sock)

    async def _watch(self, sock: socket.socket) -> None:
        names = Attribution(
            node=self._node,
            party=self._party,
            origins=self._origins,
            staged=is_staged,
            isolation=tells_isolation,
            handed=self._handed,
        )
        await watch_drops(sock, names, self._flows.append, clock=self._clock, packets=self.on_drop)

    def on_ended(self, ended: Iterable[Ended]) -> None:
        """Connections that policy ended, on the node or inside a pod's namespace."""
        for one in ended:
            self.ended += 1
            self._flows.append(self._ended_flow(one))

    def again(self) -> None:
        """Control is new, or was away: it has forgotten the node's status."""
        self._told, self._told_counts = {}, None

    def on_access_log(self, log_name: str, message: Any) -> None:
        """A StreamAccessLogsMessage of Envoy."""
        self._judged.on_access_log(log_name, message)
        message = ended(message)
        whois = self._whois()
        if whois is not None:
            names = names_for(self._node, whois)
            found = tuple(flows_of(log_name, message, names))
            logged = logged_part(message, silent=whois.silent(log_name))
            self._flows.extend(found if logged is message else flows_of(log_name, logged, names))
            if any(flow.reason == UNKNOWN_KEY for flow in found):
                self.on_unknown_key(PodUid(log_name.partition("|")[2]))
            self.unanswered.take(found)
            self.limited.take(found)

    def on_policy_change(self, before: NodeView | None, now: NodeView) -> None:
        """The kernel has a new policy in force; None before: what was in force until now is not known."""
        gone = gone_addresses(before, now) if before is not None else frozenset[str]()
        self._gone |= gone
        if before is None or gone or policy_changed(before, now) or services_changed(before, now):
            self._changes.put_nowait((before, now))

    async def _end_denied(self) -> None:
        """A look at every connection at most each PAUSE_SECONDS, however fast policy changes.

        What could not be done is done again with the next change, and without one after a while.
        """
        left: list[tuple[NodeView | None, NodeView]] = []
        while True:
            left = left or [await self._changes.get()]
            while not self._changes.empty():
                left.append(self._changes.get_nowait())
            # One that is about everything stays so, whatever came before it.
            before = left[0][0] if all(one is not None for one, _ in left) else None
            left = [(before, left[-1][1])]
            gone, self._gone = self._gone, frozenset()
            try:
                ended = await asyncio.to_thread(end_denied, *left[0], gone)
            except DriverError as err:
                log.error("connections not ended", error=str(err))
                self._gone |= gone
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN_SECONDS):
                        left.append(await self._changes.get())
            else:
                left = []
                if ended:
                    log.info("connections ended", count=len(ended))
                    self.on_ended(ended)
            await asyncio.sleep(PAUSE_SECONDS)

    def _ended_flow(self, ended: Ended) -> Flow:
        """A connection that policy ended is as much a denial as one that it does not let begin."""
        connection = ended.connection
        ends = (self._party(connection.source), self._party(connection.destination))
        return Flow(
            time=self._clock.now(),
            node=self._node,
            verdict=Verdict.DENIED,
            layer=Layer.L4,
            protocol=connection.protocol,
            source=ends[0],
            destination=msgspec.structs.replace(ends[1], port=connection.port),
            reporter="kernel",
            direction=ended.side.value,
            reason=f"an established connection was ended, it is denied now: {'; '.join(map(str, ended.rules))}",
            rules=ended.rules,
        )

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            while self._flows:
                batch = [self._flows.popleft() for _ in range(min(len(self._flows), LARGEST_BATCH))]
                self._report(encode(Report(flows=tuple(batch))))

    async def _tell_status(self, status: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        while True:
            current = await status()
            if current != self._told:
                self._report(encode(Report(status=dict(current))))
                self._told = current
            ready = all(current.get(server, {}).get("ready") for server in ("envoy", "dns"))
            await asyncio.sleep(STATUS_SECONDS if ready else FLUSH_SECONDS)

    async def _tell_counts(self) -> None:
        """Seldom: a node may have ten thousand rules."""
        while True:
            counts = await asyncio.to_thread(self._counted)
            if counts != self._told_counts:
                self._report(encode(Report(counts=counts)))
                self._told_counts = counts
            await asyncio.sleep(COUNT_SECONDS)

    async def _tell_tallies(self) -> None:
        """Also while nothing changes: that a node was heard is what makes its silence about failures worth anything."""
        while True:
            tallies = self._judged.tallies()
            if tallies is not None:
                self._report(encode(Report(tallies=tallies)))
            await asyncio.sleep(TALLY_SECONDS)

    def _whois(self) -> Whois | None:
        view = self._view()
        if view is None:
            return None
        if self._known is None or self._known[0] is not view:
            self._known = (view, Whois(view))
        return self._known[1]

    def _party(self, address: str) -> Party:
        whois = self._whois()
        return whois.party(address) if whois is not None else Party(address=address)

    def _handed(self, prefix: str, address: str, port: int) -> Handed | None:
        whois = self._whois() if prefix in {DATAGRAMS, LOST_DATAGRAMS} else None
        return whois.handed(address, port, lost=prefix == LOST_DATAGRAMS) if whois is not None else None

    def _origins(self, prefix: str) -> tuple[Origin, ...]:
        whois = self._whois()
        return whois.policies(prefix) if whois is not None else ()
