"""Addresses that nodes have told of at ADD, and that no status has yet: part of the World that is translated.

So the groups of policies have a pod's addresses before its first process runs. In: announcements of a node about pods
that are bound to it. Out: the World with them. One is dropped when the pod's status has addresses, when the pod or the
address is somebody else's, and after a while, since an ADD may have failed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.base.addresses import order
from tandem.base.cell import Cell
from tandem.base.clock import Clock
from tandem.base.ids import GroupId
from tandem.base.table import Table
from tandem.ir.announcement import Announcement
from tandem.ir.policy import AddressGroup
from tandem.model import core
from tandem.model.world import Key, World

LIFE_SECONDS: Final = 25.0
"""Shorter than an address rests before it is given again (podnet/addresses.py)."""


class Announced:
    """One per control."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._groups: dict[str, set[GroupId]] = {}
        self._pods: Table[Key, core.Pod] = Table()
        self._owners: dict[str, str] = {}
        self._shown: dict[str, tuple[core.Pod, Announcement, core.Pod]] = {}
        """Each as it is, what is announced of it, and as it is with that."""
        self.known: Cell[Mapping[str, Announcement]] = Cell({})
        """By uid; its version grows with each announcement."""

    def take(self, world: World, node: str, announcement: Announcement) -> bool:
        """Believe a node about one of its own pods; False where its status has the addresses, or nobody waits."""
        pod = world.pods_by_uid.get(announcement.uid)
        if pod is None or pod.spec.node_name != node:
            raise PermissionError(f"node {node} has no pod {announcement.uid}")
        if set(announcement.addresses) <= set(pod.addresses):
            return False
        self._until[announcement.uid] = self._clock.monotonic() + LIFE_SECONDS
        return self.known.put({**self._living(world), announcement.uid: announcement})

    def note(self, changed: Mapping[GroupId, tuple[AddressGroup | None, AddressGroup | None]]) -> None:
        """These groups are other ones in what was published now."""
        living = self.known.value.values()
        for name, (_, group) in changed.items():
            for known in living if group is not None else ():
                if group is not None and any(_has(group, address) for address in known.addresses):
                    self._groups.setdefault(known.uid, set()).add(name)
        for gone in self._groups.keys() - self.known.value.keys():
            del self._groups[gone]

    def groups_of(self, uid: str) -> frozenset[GroupId]:
        """The groups that have got the addresses of an announced pod."""
        return frozenset(self._groups.get(uid, ()))

    def over(self, world: World) -> World:
        """The World with what is announced and not in it; a pod of which nothing is new is the same object again."""
        living = self._living(world)
        self._shown = {uid: self._with(world.pods_by_uid[uid], announced) for uid, announced in living.items()}
        if not living:
            return world
        changed = {pod.key: shown for pod, _, shown in self._shown.values()}
        return world.with_changes(core.Pod.__name__, changed, synced=world.synced)

    def _with(self, pod: core.Pod, announcement: Announcement) -> tuple[core.Pod, Announcement, core.Pod]:
        known = self._shown.get(announcement.uid)
        if known is not None and known[0] is pod and known[1] is announcement:
            return known
        ips = tuple(core.PodIp(ip=address) for address in announcement.addresses)
        status = msgspec.structs.replace(pod.status, pod_ip=announcement.addresses[0], pod_ips=ips)
        return pod, announcement, msgspec.structs.replace(pod, status=status)

    def _living(self, world: World) -> dict[str, Announcement]:
        if not self.known.value:
            return {}
        self._learn(world)
        now = self._clock.monotonic()
        newest: dict[str, str] = {a: uid for uid, known in self.known.value.items() for a in known.addresses}
        return {
            uid: known
            for uid, known in self.known.value.items()
            if now < self._until.get(uid, 0.0)
            and self._waits(world, uid)
            and all(newest[a] == uid and a not in self._owners for a in known.addresses)
        }

    def _learn(self, world: World) -> None:
        """Whose address each is by the World itself, at the cost of what has changed since the last time."""
        before, self._pods = self._pods, world.table(core.Pod.__name__)
        for old, new in self._pods.changes(before).values():
            for address in old.addresses if old is not None else ():
                self._owners.pop(address, None)
            if new is not None and not new.finished:
                self._owners.update(dict.fromkeys(new.addresses, new.metadata.uid))

    @staticmethod
    def _waits(world: World, uid: str) -> bool:
        pod = world.pods_by_uid.get(uid)
        return pod is not None and not pod.finished and not pod.addresses


def _has(group: AddressGroup, address: str) -> bool:
    """Of ten thousand in their order, looked for by halves."""
    at = bisect_left(group.addresses, order(address), key=order)
    return group.addresses[at : at + 1] == (address,)
