"""ADD, DEL, CHECK, GC and STATUS as steps over the journal, the link driver and the node.

ADD: journal, pin, link (closed) and at the same time policy and proxy, link open, journal; peers hear of the pod beside
all that, and before the answer. DEL goes the other way round. The journal is written first and cleared last, so that a
kill at any point leaves nothing that `recover` or DEL cannot find.
Steps of one container never overlap; those of different containers do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import msgspec

from tandem.base.clock import Clock, SystemClock
from tandem.base.groups import first_of
from tandem.base.ids import ContainerId, PodUid
from tandem.base.problems import DriverError
from tandem.compile.links import compile_pod_link
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link.port import LinkDriver, LinkExistsError, NetnsError
from tandem.ipam.journal import Attachment, Journal, Key, Phase
from tandem.ipam.pool import Pool
from tandem.ipam.shared import HeldError
from tandem.ir.fabric import LocalPod
from tandem.ir.node import PortMapping
from tandem.podnet import unmanaged
from tandem.podnet.addresses import COOL_DOWN, Addresses, ShortError, patiently, with_asked
from tandem.podnet.chained import Chained
from tandem.podnet.keys import refuse_unknown
from tandem.podnet.mending import Mending
from tandem.podnet.parting import Parting
from tandem.podnet.previous import is_chained
from tandem.podnet.request import Code, PodRef, Request, VerbError, pod_ref, valid_attachments
from tandem.podnet.results import Names, add_result, against_previous
from tandem.podnet.spans import Emit, Spans, step, tracing
from tandem.podnet.spool import Queued, Spool
from tandem.podnet.turns import Turns
from tandem.podnet.undoing import Undoing
from tandem.podnet.wishes import Wishes, wishes
from tandem.state.links import HostSide, LinkOptions, PodLink

_log: Final = logging.getLogger(__name__)
POD_SECONDS: Final = 5.0
"""How long ADD waits for control to tell the node of a pod."""


class Node(Protocol):
    """What the agent does for the verbs. Each method raises DriverError when the world refuses."""

    async def pod(self, uid: PodUid, namespace: str, name: str, timeout: float) -> LocalPod | None:  # noqa: ASYNC109
        """The pod as control sees it (an empty uid: by name alone), or None when it is unknown after `timeout`."""

    def announces(self, attachment: Attachment) -> bool:
        """Whether anybody is told of its addresses before it is READY."""

    async def announced(self, attachment: Attachment) -> None:
        """Returns when whoever has rules about this pod knows its addresses, or had the time for it; never raises."""

    async def attached(self, attachment: Attachment) -> None:
        """Returns when kernel policy and Envoy listeners of this attachment are in force."""

    def captured(self, container_id: ContainerId) -> bool:
        """Whether its traffic is turned to Envoy."""

    def renewed(self, attachment: Attachment) -> None:
        """From now on it is this one."""

    async def detached(self, attachment: Attachment) -> None:
        """Returns when they are gone; at once if they never were."""

    async def check(self, attachment: Attachment) -> tuple[str, ...]:
        """What of policy, redirection and proxy is not in force for this attachment, one sentence each."""

    def fit(self, host: HostSide) -> HostSide:
        """`host` as the cluster's network wants new links now: with the MTU of pods."""

    async def degraded(self) -> tuple[str, ...]:
        """What keeps this node from serving new pods, and those that it has, as it should."""

    def pool(self) -> Pool:
        """The addresses that this node may give at this moment."""

    async def more(self, seconds: float) -> bool:
        """Waits so long for more addresses; False at once where none can come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """What goes on beside the verbs: DELs that wait, where spans are written, and the time."""

    spool: Spool | None = None
    emit: Emit = field(default=lambda _: None)
    clock: Clock = field(default_factory=SystemClock)


ALONE: Final = Aside()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What control and kernel say of this node, and no verb changes."""

    host: HostSide
    names: Names
    cool_down: float = COOL_DOWN
    """Seconds for which an address that was given up is not given again."""


class Verbs:
    """The verbs of one node."""

    def __init__(
        self,
        journal: Journal,
        links: LinkDriver,
        foreign: ForeignDriver,
        *,
        node: Node,
        settings: Settings,
        aside: Aside = ALONE,
    ) -> None:
        self._journal = journal
        self._links = links
        self._node = node
        self._settings = settings
        self._aside = aside
        self._addresses = Addresses(journal, node.pool, aside.clock, cool_down=settings.cool_down)
        self._chained = Chained(journal, links, foreign, node)
        self._turns = Turns()
        self._shown: set[Key] = set()
        """Attachments being made whose addresses others have seen, or may have been told."""
        behind = self._chained, Parting(journal, self._chained, self._turns)
        self.undoing = Undoing(journal, links, node, behind, host=self._host)
        """How attachments end; with `undoing.leaving`, in the background."""
        self.mending = Mending(
            journal, links, foreign, self._turns, host=self._host, captured=node.captured, renewed=node.renewed
        )
        """How they are kept whole."""

    async def run(self, request: Request) -> dict[str, Any] | None:
        """One verb: its result, or None where the specification wants no output; raises VerbError."""
        spans = Spans(self._aside.emit, request.trace, container=request.container_id, ifname=request.ifname)
        with tracing(spans, request.verb):
            return await self._run(request)

    async def _run(self, request: Request) -> dict[str, Any] | None:
        try:
            match request.verb:
                case "ADD":
                    return await self._add(request)
                case "DEL":
                    await self._del(request)
                case "CHECK":
                    await self._check(request)
                case "GC":
                    await self._gc(request)
                case "STATUS":
                    await self._status(request)
                case _:
                    raise VerbError(Code.BAD_ENVIRONMENT, f"CNI_COMMAND: unknown verb {request.verb!r}")
        except NetnsError as error:
            raise VerbError(Code.BAD_NETNS, f"CNI_NETNS: {error}", request.netns) from error
        except LinkExistsError as error:
            raise VerbError(Code.ALREADY_ATTACHED, str(error), request.netns) from error
        except DriverError as error:
            raise VerbError(Code.TRY_AGAIN, f"{request.verb} failed and was undone: {error}") from error
        return None

    async def recover(self) -> tuple[str, ...]:
        """Finish what a killed agent left half done; what could not be finished, one sentence each (DEL will retry).

        Links and pins that no attachment has (a lost journal) are removed: their addresses would be given out again.
        What is ours inside the namespaces of pods behind another plugin stays there until DEL: they are not set free.
        Attachments of which the kernel has neither are from before a reboot, or their removal could not be written.
        Call it once, before the socket is served; the node must be able to take listeners and policy away by then.
        """
        alive = await self._links.alive()
        half_done = (a for a in self._journal.all() if a.phase is not Phase.READY or a.container_id not in alive)
        failed = await self.undoing.all(tuple(half_done))
        known = frozenset(attachment.container_id for attachment in self._journal.all())
        if orphans := await self._links.sweep_pods(known):
            what = "links=%s pins=%s had no record and were removed: pods that ran on them have no network, delete them"
            _log.error(what, orphans.links, orphans.pins)
            self._journal.rest()
        return (*failed, *await self.replay())

    async def end(self, container_id: ContainerId, still: Callable[[], Awaitable[bool]]) -> tuple[str, ...]:
        """Take away all interfaces of a container if `still` holds under its lock; one sentence for each that stays."""
        async with self._turns.of(container_id):
            if not await still():
                return ()
            return tuple(await self.undoing.all(self._journal.of(container_id)))

    async def replay(self) -> tuple[str, ...]:
        """Carry out the DELs that the courier queued; one sentence for each that stays in the queue."""
        failed = []
        for queued in self._queued():
            try:
                await self._del_queued(queued)
            except (VerbError, DriverError) as error:
                failed.append(f"queued DEL of container {queued.request.container_id}: {error}")
        return tuple(failed)

    def _queued(self, container_id: ContainerId | None = None) -> list[Queued]:
        waiting = self._aside.spool.waiting() if self._aside.spool is not None else ()
        return [q for q in waiting if container_id in {None, q.request.container_id}]

    async def _add(self, request: Request) -> dict[str, Any]:
        refuse_unknown(request.config)
        async with self._turns.of(request.container_id):
            for queued in self._queued(request.container_id):
                # It was meant for what this container had before; for what it gets now it would come too late.
                await self._del_alone(queued.request)
                queued.done()
            await self._make_way(request)
            pod = await self._pod(request)
            if is_chained(request):
                return await self._chained.add(request, pod, own=(block.prefix for block in self._node.pool().blocks))
            with step("journal"):
                wanted = wishes(request, pool=self._node.pool())
                await self._end_leaving(wanted.port_mappings)
                attachment, link = await self._reserve_one(request, pod, wanted)
            try:
                attachment = await self._attach(attachment, link)
            except Exception:
                # Cancellation is no failure: an agent that is told to stop leaves the rest to `recover`.
                current = self._journal.get(attachment.key) or attachment
                await self.undoing.attempt(msgspec.structs.replace(current, opened=attachment.key in self._shown))
                raise
            finally:
                self._shown.discard(attachment.key)
            return add_result(
                attachment, link, names=self._settings.names.with_dns(wanted.dns), version=request.version
            )

    async def _make_way(self, request: Request) -> None:
        """Refuse what exists, clean up what a killed agent left half made."""
        if not request.netns:
            raise VerbError(Code.BAD_ENVIRONMENT, "ADD needs CNI_NETNS in the environment")
        for attachment in self._journal.of(request.container_id):
            if attachment.phase is Phase.READY:
                what = f"container {attachment.container_id} has {attachment.ifname} already"
                more = "" if attachment.ifname == request.ifname else "; a container has one interface of Tandem's"
                raise VerbError(Code.ALREADY_ATTACHED, f"{what}{more}", ", ".join(attachment.pod_addresses))
            await self.undoing.one(attachment)

    async def _pod(self, request: Request) -> LocalPod:
        if unmanaged.is_unmanaged(request):
            return unmanaged.workload(request)
        return await self._known_pod(pod_ref(request.args))

    async def _known_pod(self, ref: PodRef) -> LocalPod:
        pod = await self._node.pod(ref.uid, ref.namespace, ref.name, timeout=POD_SECONDS)
        if pod is None:
            what = f"pod {ref.namespace}/{ref.name} (uid {ref.uid or 'not given'})"
            raise VerbError(
                Code.TRY_AGAIN, f"{what} is not known to control, or not bound to node {self._settings.host.node}, yet"
            )
        return pod

    async def _reserve_one(self, request: Request, pod: LocalPod, wanted: Wishes) -> tuple[Attachment, PodLink]:
        """Addresses that a DEL has given up are free, also while the rest of it is being taken away."""
        try:
            return self._reserve(request, pod, wanted)
        except VerbError as error:
            if error.code not in {Code.POOL_FULL, Code.ADDRESS_REFUSED}:
                raise
            for other in self._journal.all():
                await self._finish(other)
        return await patiently(lambda: self._reserve(request, pod, wanted), self._node.more)

    def _reserve(self, request: Request, pod: LocalPod, wanted: Wishes) -> tuple[Attachment, PodLink]:
        """An address, in the journal before anything is made. Nothing is awaited: what was free is free still."""
        self._refuse_taken(wanted.port_mappings)
        options = LinkOptions(mac=wanted.mac, shaping=wanted.shaping, from_loopback=bool(wanted.port_mappings))
        addresses = self._addresses.give(with_asked(wanted.wanted, pod.addresses))
        link = compile_pod_link(*request.key, addresses=addresses, host=self._node.fit(self._host()), options=options)
        attachment = Attachment(
            container_id=request.container_id,
            ifname=request.ifname,
            pod_uid=pod.uid,
            namespace=pod.namespace,
            pod_name=pod.name,
            addresses=link.addresses,
            mac=link.mac,
            host_ifname=link.host_ifname,
            mtu=link.mtu,
            segment=link.segment,
            netns=request.netns,
            port_mappings=wanted.port_mappings,
            shaping=wanted.shaping,
            closed_by="" if pod.namespace else unmanaged.closed_by(request),
            network=str(request.config["name"]),
            aliases=wanted.aliases,
        )
        try:
            self._journal.add(attachment)
        except HeldError as error:
            raise ShortError(Code.ADDRESS_REFUSED, str(error)) from None
        return attachment, link

    async def _end_leaving(self, mappings: tuple[PortMapping, ...]) -> None:
        """Ports of pods whose DEL was answered are free, also while the rest of it is being taken away."""
        for other in self._journal.all() if mappings else ():
            if _overlap(mappings, other) is not None:
                await self._finish(other)

    def _refuse_taken(self, mappings: tuple[PortMapping, ...]) -> None:
        """Two pods on one port of the node: the second is refused, not served by chance."""
        for other in self._journal.all() if mappings else ():
            if (mapping := _overlap(mappings, other)) is not None:
                port = f"host port {mapping.host_port}/{mapping.protocol}"
                owner = f"{other.namespace}/{other.pod_name}".lstrip("/")
                raise VerbError(Code.PORT_TAKEN, f"{port} is taken by {owner} (container {other.container_id})")

    async def _finish(self, other: Attachment) -> None:
        """Undo an attachment that its DEL has given up, so that its port and addresses are free; or log why not."""
        if other.phase is not Phase.DELETING:
            return
        async with self._turns.of(other.container_id):
            current = self._journal.get(other.key)
            if current is not None and current.phase is Phase.DELETING:
                for sentence in await self.undoing.attempt(current):
                    _log.warning("not taken away yet: %s", sentence)

    async def _attach(self, attachment: Attachment, link: PodLink) -> Attachment:
        with step("pin"):
            pin = await self._links.pin(attachment.container_id, attachment.netns)
            # From here on a kill may come when others have seen the addresses: not only READY ones cool down.
            attachment = msgspec.structs.replace(attachment, pin=pin, opened=True)
            self._journal.update(attachment)
        if self._node.announces(attachment):
            self._shown.add(attachment.key)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._node.announced(attachment))
                await self._connect(attachment, link)
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None
        attachment = msgspec.structs.replace(attachment, phase=Phase.READY)
        self._journal.update(attachment)
        self.mending.fresh.add(attachment.key)
        return attachment

    async def _connect(self, attachment: Attachment, link: PodLink) -> None:
        """Up to the open link: it waits for the pod's own rules and for no peer's."""
        async with asyncio.TaskGroup() as tasks:  # nothing passes a link before it opens: neither has to be first
            tasks.create_task(self._make(link, attachment.pin))
            await self._node.attached(attachment)
        self._shown.add(attachment.key)
        with step("open"):
            await self._links.open(link, attachment.pin)

    async def _make(self, link: PodLink, pin: str) -> None:
        with step("link"):
            await self._links.create(link, pin)

    async def _del(self, request: Request) -> None:
        async with self._turns.of(request.container_id):
            await self._del_alone(request)

    async def _del_queued(self, queued: Queued) -> None:
        """Unless an ADD of the container has done it meanwhile: what there is now is what that ADD made."""
        async with self._turns.of(queued.request.container_id):
            if queued.waits:
                await self._del_alone(queued.request)
                queued.done()

    async def _del_alone(self, request: Request) -> None:
        self.mending.fresh.discard(request.key)
        attachment = self._journal.get(request.key)
        if attachment is not None:
            await self.undoing.leave(attachment)
        elif not self._journal.of(request.container_id):
            # Unknown, or the journal was lost: names are digests, so that what may be there can still be found.
            if is_chained(request):
                await self._chained.forget(request)
                return
            bare = compile_pod_link(*request.key, addresses=(), host=self._host())
            await self._links.remove(bare, request.netns)
            await self._links.unpin(request.container_id)

    async def _check(self, request: Request) -> None:
        previous = request.config.get("prevResult")
        if not isinstance(previous, dict):
            raise VerbError(Code.BAD_CONFIG, "prevResult: CHECK needs the result of ADD")
        async with self._turns.of(request.container_id):
            attachment = self._journal.get(request.key)
            if attachment is None or attachment.phase is not Phase.READY:
                what = f"container {request.container_id} has no {request.ifname} of this network"
                raise VerbError(Code.UNKNOWN_CONTAINER, what)
            if attachment.foreign is not None:
                found = await self._chained.check(request, attachment)
            else:
                attachment = await self.mending.settled(attachment)
                link = self.mending.link(attachment)
                found = against_previous(attachment, link, previous) + await self._links.check(link, request.netns)
            found += await self._node.check(attachment)
        if found:
            raise VerbError(Code.DIFFERS, f"{request.ifname} is not as ADD left it: {found[0]}", "; ".join(found))

    async def _gc(self, request: Request) -> None:
        valid = valid_attachments(request.config)
        if valid is None:
            return
        network = {"", request.config.get("name")}
        stale = [a for a in self._journal.all() if a.key not in valid and a.network in network]
        busy = [a for a in stale if self._turns.is_busy(a.container_id)]
        async with AsyncExitStack() as turns:
            for container in {a.container_id for a in stale} - {a.container_id for a in busy}:
                await turns.enter_async_context(self._turns.of(container))  # at once: nobody has them
            failed = await self.undoing.all(tuple(a for a in stale if a not in busy))
        for one in busy:  # one by one: whoever is busy with it may wait for another of these
            async with self._turns.of(one.container_id):
                current = self._journal.get(one.key)
                failed += await self.undoing.attempt(current) if current is not None else []
        if failed:
            raise VerbError(Code.TRY_AGAIN, f"{len(failed)} attachments could not be removed", "; ".join(failed))

    async def _status(self, request: Request) -> None:
        refuse_unknown(request.config)
        if degraded := await self._node.degraded():
            what = "ADD would fail, and pods of this node are not served as they should be"
            raise VerbError(Code.DEGRADED, f"{what}: {degraded[0]}", "; ".join(degraded))
        if is_chained(request):
            return  # another plugin gives the addresses
        try:
            self._addresses.give()
        except VerbError as error:
            raise VerbError(Code.NOT_AVAILABLE, error.msg) from None

    def _host(self) -> HostSide:
        """The node's side of a link; its blocks may have become more."""
        return replace(self._settings.host, sources=self._node.pool().gateways)


def _overlap(mappings: tuple[PortMapping, ...], other: Attachment) -> PortMapping | None:
    """The first that another attachment has."""
    return next((m for m in mappings if any(m.overlaps(theirs) for theirs in other.port_mappings)), None)
