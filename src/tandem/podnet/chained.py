"""Attachments whose link another plugin made: what ADD adds, DEL takes out, and CHECK compares.

ADD: journal, pin, marked packets delivered inside, policy and proxy in force, journal; `prevResult` is handed on as it
came. The journal knows the addresses as those of a foreign link: they are none of this node's pool.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec

from tandem.base.groups import first_of
from tandem.base.netns import identity
from tandem.base.problems import DriverError
from tandem.compile.foreign import compile_redirection
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link.port import LinkDriver, NetnsError
from tandem.ipam.journal import Attachment, Foreign, Journal, Phase
from tandem.ir.fabric import LocalPod
from tandem.ir.node import ForeignLink
from tandem.podnet import unmanaged
from tandem.podnet.previous import Previous, previous_of, refuse_foreign_wishes, wants_policy
from tandem.podnet.request import Code, Request, VerbError
from tandem.podnet.spans import step
from tandem.podnet.wishes import aliases
from tandem.state.foreign import UNTOUCHED, Seen

_log: Final = logging.getLogger(__name__)


class Enforces(Protocol):
    """`verbs.Node`, as far as it is needed here."""

    async def announced(self, attachment: Attachment) -> None:
        """Returns when whoever has rules about this pod knows its addresses, or had the time for it; never raises."""

    async def attached(self, attachment: Attachment) -> None:
        """Returns when policy and listeners of this attachment are in force; raises DriverError."""

    async def detached(self, attachment: Attachment) -> None:
        """Returns when they are gone."""


class Chained:
    """One per node. The caller sees to it that steps of one container never overlap."""

    def __init__(self, journal: Journal, links: LinkDriver, foreign: ForeignDriver, node: Enforces) -> None:
        self._journal = journal
        self._links = links
        self._foreign = foreign
        self._node = node

    async def add(self, request: Request, pod: LocalPod, *, own: Iterable[str]) -> dict[str, Any]:
        """`prevResult` once everything is in force; raises VerbError. `own`: prefixes of the node's own pods."""
        refuse_foreign_wishes(request)
        previous, guarded = previous_of(request), wants_policy(request)
        closed_by = "" if pod.namespace else unmanaged.closed_by(request)
        if closed_by and not guarded:
            raise VerbError(Code.BAD_CONFIG, 'unmanaged: "closed" needs "policy": true behind another plugin')
        if not guarded and (pod.ingress or pod.egress):
            _log.warning(
                "%s/%s is selected by a NetworkPolicy that its network does not enforce", pod.namespace, pod.name
            )
        seen = await self._look(request, previous)
        await self._refuse_taken(request, previous, own)
        node = await self._foreign.node_addresses()
        link = ForeignLink(
            ifname=request.ifname,
            node_addresses=tuple(address for address in previous.gateways if address in node),
            guarded=guarded,
        )
        attachment = Attachment(
            container_id=request.container_id,
            ifname=request.ifname,
            pod_uid=pod.uid,
            namespace=pod.namespace,
            pod_name=pod.name,
            addresses=(),
            mac="",
            host_ifname="",
            mtu=0,
            netns=request.netns,
            closed_by=closed_by,
            network=str(request.config["name"]),
            aliases=aliases(request),
            foreign=Foreign(link=link, addresses=previous.addresses, before=seen.before),
        )
        with step("journal"):
            self._journal.add(attachment)
        try:
            await self._attach(attachment)
        except Exception:
            # Cancellation is no failure: an agent that is told to stop leaves the rest to `recover`.
            await self.undo(self._journal.get(attachment.key) or attachment)
            raise
        result: dict[str, Any] = dict(request.config["prevResult"])
        return result

    async def give_up(self, attachment: Attachment) -> None:
        """No policy of the API applies any more, nor does Envoy serve: what is in the namespace stays as it is."""
        self._journal.update(msgspec.structs.replace(attachment, phase=Phase.DELETING))
        await self._node.detached(attachment)

    async def has_link(self, attachment: Attachment) -> bool:
        """Whether the other plugin's link is there still."""
        return await self._seen(attachment.pin or attachment.netns, attachment.ifname) is not None

    async def undo(self, attachment: Attachment) -> None:
        """Everything that is ours out of the namespace; the journal last. The other plugin's link stays."""
        attachment = msgspec.structs.replace(attachment, phase=Phase.DELETING)
        with suppress(DriverError):  # a full disk must not stop what makes room
            self._journal.update(attachment)
        await self._node.detached(attachment)
        if attachment.foreign is not None:
            await self._foreign.restore(attachment.pin or attachment.netns, attachment.foreign.before)
        await self._links.unpin(attachment.container_id)
        self._journal.remove(attachment.key)

    async def forget(self, request: Request) -> None:
        """DEL of what no journal knows: it may have been lost, and with it the settings as they were.

        A namespace of another container is that one's.
        """
        wanted = identity(request.netns)
        is_anothers = wanted and any(identity(other.pin) == wanted for other in self._journal.all())
        if request.netns and not is_anothers:
            await self._foreign.restore(request.netns, UNTOUCHED)
        await self._links.unpin(request.container_id)

    async def check(self, request: Request, attachment: Attachment) -> tuple[str, ...]:
        """What of `prevResult`, of the interface and of our own things is not as ADD left it."""
        if attachment.foreign is None:
            return ()
        given, have = set(previous_of(request).addresses), attachment.foreign.addresses
        found = [
            f"prevResult.ips: no {address}, which {request.ifname} had at ADD"
            for address in have
            if address not in given
        ]
        seen = await self._foreign.look(request.netns, request.ifname)
        if seen is None:
            return (*found, f"interface {request.ifname} is missing in the pod")
        found += [f"{request.ifname} lacks the address {address}" for address in have if address not in seen.addresses]
        found += [] if seen.up else [f"{request.ifname} is down"]
        return (*found, *await self._foreign.check(request.netns, compile_redirection(request.ifname, have)))

    async def _attach(self, attachment: Attachment) -> None:
        with step("link"):
            pin = await self._links.pin(attachment.container_id, attachment.netns)
            attachment = msgspec.structs.replace(attachment, pin=pin)
            self._journal.update(attachment)
            await self._foreign.prepare(pin, compile_redirection(attachment.ifname, attachment.pod_addresses))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._node.announced(attachment))
                await self._node.attached(attachment)
        except BaseExceptionGroup as errors:
            raise first_of(errors) from None
        self._journal.update(msgspec.structs.replace(attachment, phase=Phase.READY))

    async def _look(self, request: Request, previous: Previous) -> Seen:
        seen = await self._foreign.look(request.netns, request.ifname)
        if seen is None:
            raise VerbError(Code.BAD_CONFIG, f"prevResult.interfaces: {request.ifname} is not in {request.netns}")
        if missing := [address for address in previous.addresses if address not in seen.addresses]:
            what = f"prevResult.ips: {request.ifname} in {request.netns} does not have {missing[0]}"
            raise VerbError(Code.BAD_CONFIG, what, ", ".join(sorted(seen.addresses)))
        return seen

    async def _refuse_taken(self, request: Request, previous: Previous, own: Iterable[str]) -> None:
        """Policy and flows know a pod by its address: two with one address, or one of our own prefix, are refused."""
        prefixes = [ipaddress.ip_network(prefix) for prefix in own]
        for address in previous.addresses:
            inside = next((p for p in prefixes if ipaddress.ip_address(address) in p), None)
            if inside is not None:
                what = f"prevResult.ips: {address} is in {inside}, the prefix of Tandem's own pods on this node"
                raise VerbError(Code.ADDRESS_REFUSED, f"{what}: give the networks ranges apart")
        for other in self._journal.all():
            both = set(other.pod_addresses) & set(previous.addresses)
            if other.key == request.key or not both or await self._is_stale(other):
                continue
            owner = f"{other.namespace}/{other.pod_name}".lstrip("/")
            what = f"prevResult.ips: {min(both)} belongs to {owner} of network {other.network}"
            raise VerbError(Code.ADDRESS_REFUSED, what, f"container {other.container_id}")

    async def _is_stale(self, other: Attachment) -> bool:
        """True once an attachment is undone that had its DEL, or whose namespace or address is gone without one."""
        if other.foreign is None:
            return False
        given_up = other.phase is Phase.DELETING  # the other plugin gives addresses away before it ends the link
        seen = None if given_up else await self._seen(other.pin or other.netns, other.ifname)
        if seen is not None and seen.addresses.issuperset(other.foreign.addresses):
            return False
        if self._journal.get(other.key) is not None:  # else its own DEL was quicker
            await self.undo(other)
        return True

    async def _seen(self, netns: str, ifname: str) -> Seen | None:
        try:
            return await self._foreign.look(netns, ifname)
        except NetnsError:
            return None
