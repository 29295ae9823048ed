"""The journal of a node: which sandbox has which addresses and links. All that DEL needs.

A record is written before the first thing is made in the kernel and removed after the last is gone, so whatever exists
is in the journal. `MemoryJournal` is this in memory; `store.py` keeps it in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Final, Protocol

import msgspec

from tandem.base.addresses import family
from tandem.base.clock import Clock, SystemClock
from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.pool import NEVER, Use
from tandem.ir.node import ForeignLink, PortMapping
from tandem.state.foreign import Before
from tandem.state.links import UNSHAPED, Shaping

Key = tuple[ContainerId, str]
"""Container id and interface name: one attachment."""
EVERY: Final = ""
"""In place of an address of which it is told when it was given up: all of them may have been, until then."""


class Phase(Enum):
    """How far an attachment is; only a READY one may carry traffic."""

    ADDING = "adding"
    READY = "ready"
    DELETING = "deleting"


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a link that another plugin made."""

    link: ForeignLink
    addresses: tuple[str, ...]
    """Not of this node's pool: who gave them takes them back."""
    before: Before
    """The namespace as it was."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One interface of one sandbox."""

    container_id: ContainerId
    ifname: str
    pod_uid: PodUid
    namespace: str
    pod_name: str
    addresses: tuple[str, ...]
    """One per family, in the order of the node's families."""
    mac: str
    host_ifname: str
    mtu: int
    netns: str
    """The runtime's path of the namespace."""
    pin: str = ""
    """Our own path of it, once pinned."""
    phase: Phase = Phase.ADDING
    opened: bool = False
    """Its addresses may have been on the network, or told to others: once given up, they cool down."""
    port_mappings: tuple[PortMapping, ...] = ()
    shaping: Shaping = UNSHAPED
    segment: tuple[str, ...] = ()
    """The prefixes that its pod takes to be on its link, a port of the node's bridge."""
    closed_by: str = ""
    """The network whose configuration closes a container that is no Pod (its `namespace` is empty)."""
    network: str = ""
    """The name in the runtime's configuration; empty in records of older releases."""
    aliases: tuple[str, ...] = ()
    """Names that the runtime gave it within that network."""
    foreign: Foreign | None = None
    """None: the link is ours."""

    @property
    def pod_addresses(self) -> tuple[str, ...]:
        """What the pod is reached by, whoever gave it."""
        return self.addresses if self.foreign is None else self.foreign.addresses

    @property
    def key(self) -> Key:
        """What the runtime calls it."""
        return self.container_id, self.ifname


class DuplicateError(Exception):
    """The attachment, or one of its addresses, is in the journal already; nothing was written."""


class Journal(Protocol):
    """A durable map of attachments in which no address occurs twice."""

    @property
    def begins_anew(self) -> bool:
        """There was nothing when it was first opened, not even copies: a first start, or all is lost.

        Until `settle` is called, also for those who open it later.
        """

    def settle(self) -> None:
        """Whether records are lost was asked, and `rest` called if they are. Never raises."""

    def get(self, key: Key) -> Attachment | None:
        """One attachment."""

    def all(self) -> tuple[Attachment, ...]:
        """Every attachment, by key."""

    def of(self, container_id: ContainerId) -> tuple[Attachment, ...]:
        """The attachments of one container."""

    def taken(self) -> AbstractSet[str]:
        """The addresses of all attachments."""

    def last(self) -> Mapping[int, str]:
        """The address given last of each family, also if it is free again."""

    def released(self) -> Mapping[str, float]:
        """When addresses that are free again, or were once, were given up: on the monotonic clock."""

    def begun(self) -> float:
        """What was given up before this moment, on the monotonic clock, may not be known; -inf: all is."""

    def rest(self) -> None:
        """Every address may have been in use until now: none is given before it has cooled down. Never raises."""

    def others(self) -> Mapping[str, Key]:
        """Addresses that others held when this was last noted, and for whom."""

    def note(self, held: Mapping[str, Key]) -> None:
        """Others hold these now, and no others: what they held before was given up at this moment. Never raises."""

    def add(self, attachment: Attachment) -> None:
        """Write a new one; raises DuplicateError."""

    def update(self, attachment: Attachment) -> None:
        """Replace the one with the same key and the same addresses; raises KeyError if there is none."""

    def remove(self, key: Key) -> None:
        """Forget one, which frees its addresses, and note the time if they were in use; fine if there is none.

        Never raises: see above.
        """

    def trouble(self) -> str:
        """Why nothing can be written at the moment; empty when all is well."""


class MemoryJournal:
    """Journal in memory, with the same refusals; `store.SqliteJournal` is this plus a file."""

    begins_anew = True

    def settle(self) -> None:
        """It was asked."""
        self.begins_anew = False

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._attachments: dict[Key, Attachment] = {}
        self._of: dict[ContainerId, list[Key]] = {}
        self._owners: dict[str, Key] = {}
        self._last: dict[int, str] = {}
        self._released: dict[str, float] = {}
        self._others: dict[str, Key] = {}
        self._begun = NEVER

    def get(self, key: Key) -> Attachment | None:
        """One attachment."""
        return self._attachments.get(key)

    def all(self) -> tuple[Attachment, ...]:
        """Every attachment, by key."""
        return tuple(self._attachments[key] for key in sorted(self._attachments))

    def of(self, container_id: ContainerId) -> tuple[Attachment, ...]:
        """The attachments of one container."""
        return tuple(self._attachments[key] for key in self._of.get(container_id, ()))

    def taken(self) -> AbstractSet[str]:
        """The addresses of all attachments."""
        return self._owners.keys()

    def last(self) -> Mapping[int, str]:
        """The address given last of each family."""
        return self._last

    def released(self) -> Mapping[str, float]:
        """When addresses were given up."""
        return self._released

    def begun(self) -> float:
        """Until when something unknown may have happened."""
        return self._begun

    def rest(self) -> None:
        """Nothing that was before is known."""
        self._begun = self._clock.monotonic()

    def others(self) -> Mapping[str, Key]:
        """What others held."""
        return self._others

    def note(self, held: Mapping[str, Key]) -> None:
        """What others hold."""
        gone = [address for address in self._others if address not in held and address not in self._owners]
        self._released.update(dict.fromkeys(gone, self._clock.monotonic()))
        self._others = dict(held)

    def restore(self, *, last: Mapping[int, str], released: Mapping[str, float]) -> None:
        """What was known before a restart."""
        self._last.update(last)
        self._released.update(released)
        self._begun = self._released.pop(EVERY, self._begun)

    def add(self, attachment: Attachment) -> None:
        """Write a new one."""
        if attachment.key in self._attachments:
            raise DuplicateError(f"container {attachment.container_id} has {attachment.ifname} already")
        for address in attachment.addresses:
            if address in self._owners:
                raise DuplicateError(f"address {address} belongs to container {self._owners[address][0]}")
        self._attachments[attachment.key] = attachment
        self._of.setdefault(attachment.container_id, []).append(attachment.key)
        self._owners.update(dict.fromkeys(attachment.addresses, attachment.key))
        self._last.update({family(address): address for address in attachment.addresses})

    def update(self, attachment: Attachment) -> None:
        """Replace the one with the same key and addresses."""
        before = self._attachments[attachment.key]
        if before.addresses != attachment.addresses:
            raise DuplicateError(f"container {attachment.container_id}: an attachment keeps its addresses")
        self._attachments[attachment.key] = attachment

    def remove(self, key: Key) -> None:
        """Forget one."""
        attachment = self._attachments.pop(key, None)
        if attachment is None:
            return
        self._of[key[0]].remove(key)
        if not self._of[key[0]]:
            del self._of[key[0]]
        for address in attachment.addresses:
            del self._owners[address]
        if attachment.opened:
            self._released.update(dict.fromkeys(attachment.addresses, self._clock.monotonic()))

    def trouble(self) -> str:
        """Memory is there or nothing is."""
        return ""


def use_of(journal: Journal, clock: Clock, *, cool_down: float) -> Use:
    """What has become of the node's addresses, at this moment."""
    return Use(
        taken=journal.taken(),
        released=journal.released(),
        last=journal.last(),
        begun=journal.begun(),
        now=clock.monotonic(),
        cool_down=cool_down,
    )
