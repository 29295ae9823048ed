"""The attachments of a node that are served, and the pods that they make together with what control said of them.

In: attachments as podnet adds and removes them. Out: the pods of a view. No I/O.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

from tandem.base.ids import ContainerId
from tandem.base.table import changes as differences
from tandem.ipam.journal import Attachment
from tandem.ir.fabric import LocalPod
from tandem.ir.node import AttachedPod
from tandem.podnet import unmanaged


class Attached:
    """One per agent."""

    def __init__(self) -> None:
        self._attachments: dict[ContainerId, Attachment] = {}
        self._containers: dict[str, set[ContainerId]] = {}
        """By the uid of their pod."""
        self._closing: dict[ContainerId, str] = {}
        self._touched: set[ContainerId] = set()
        self._by_uid: Mapping[str, LocalPod] = {}
        self._known: dict[ContainerId, tuple[Attachment, LocalPod | None, AttachedPod | None]] = {}
        self._sorted: list[AttachedPod] = []
        self._pods: tuple[AttachedPod, ...] = ()

    def __len__(self) -> int:
        return len(self._attachments)

    def take(self, attachments: Iterable[Attachment]) -> None:
        """Serve these as well."""
        for attachment in attachments:
            container = attachment.container_id
            self._forget(container)
            self._attachments[container] = attachment
            self._containers.setdefault(attachment.pod_uid, set()).add(container)
            self._touched.add(container)
            self._closing.pop(container, None)
            if attachment.closed_by:
                self._closing[container] = attachment.closed_by

    def drop(self, container_id: ContainerId) -> bool:
        """False if it was not served."""
        self._touched.add(container_id)
        self._closing.pop(container_id, None)
        return self._forget(container_id)

    def _forget(self, container: ContainerId) -> bool:
        known = self._attachments.pop(container, None)
        if known is None:
            return False
        self._containers[known.pod_uid].discard(container)
        if not self._containers[known.pod_uid]:
            del self._containers[known.pod_uid]
        return True

    @property
    def closing(self) -> Iterable[str]:
        """The networks that close one of them."""
        return self._closing.values()

    def pods(self, by_uid: Mapping[str, LocalPod]) -> tuple[AttachedPod, ...]:
        """Those that control knows, and containers that are no Pods; sorted by namespace, name and container.

        A pod that has not changed is the very same object as last time, and so is the tuple if none has. `by_uid`
        is replaced and never edited: only what differs in it, and what was taken and dropped, is looked at.
        """
        other = differences(self._by_uid, by_uid).keys()
        touched = {c for uid in other for c in self._containers.get(uid, ())} | self._touched
        changed = [self._renew(container, by_uid) for container in touched]
        self._by_uid, self._touched = by_uid, set()
        if any(changed):
            self._pods = tuple(self._sorted)
        return self._pods

    def _renew(self, container: ContainerId, by_uid: Mapping[str, LocalPod]) -> bool:
        """Put one in its place, or out of it; true if it is another than before."""
        attachment = self._attachments.get(container)
        pod = by_uid.get(attachment.pod_uid) if attachment is not None and attachment.namespace else None
        known = self._known.get(container)
        if known is not None and known[0] is attachment and known[1] is pod:
            return False
        before = known[2] if known is not None else None
        if before is not None:
            del self._sorted[bisect_left(self._sorted, _place(before), key=_place)]
        if attachment is None:
            self._known.pop(container, None)
            return before is not None
        now = _attached_pod(attachment, pod or unmanaged.of_attachment(attachment))
        self._known[container] = attachment, pod, now
        if now is not None:
            insort(self._sorted, now, key=_place)
        return (before, now) != (None, None)


def _place(attached: AttachedPod) -> tuple[str, str, str]:
    return attached.pod.namespace, attached.pod.name, attached.container_id


def _attached_pod(attachment: Attachment, pod: LocalPod | None) -> AttachedPod | None:
    if pod is None:
        return None
    return AttachedPod(
        pod=pod,
        container_id=attachment.container_id,
        addresses=attachment.pod_addresses,
        host_ifname=attachment.host_ifname,
        netns=attachment.pin,
        port_mappings=attachment.port_mappings,
        aliases=tuple(f"{name}.{attachment.network.lower()}" for name in attachment.aliases),
        mac=attachment.mac,
        segment=bool(attachment.segment),
        limited=bool(attachment.shaping.ingress_rate),
        foreign=attachment.foreign.link if attachment.foreign is not None else None,
    )
