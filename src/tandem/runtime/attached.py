"""The attachments of a node that are served, and the pods that they make together with what control said of them.

In: attachments as podnet adds and removes them. Out: the pods of a view. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tandem.base.ids import ContainerId
from tandem.ipam.journal import Attachment
from tandem.ir.fabric import LocalPod
from tandem.ir.node import AttachedPod
from tandem.podnet import unmanaged


class Attached:
    """One per agent."""

    def __init__(self) -> None:
        self._attachments: dict[ContainerId, Attachment] = {}
        self._known: dict[ContainerId, tuple[Attachment, LocalPod | None, AttachedPod | None]] = {}

    def __len__(self) -> int:
        return len(self._attachments)

    def __iter__(self) -> Iterator[Attachment]:
        return iter(self._attachments.values())

    def take(self, attachments: Iterable[Attachment]) -> None:
        """Serve these as well."""
        self._attachments.update({a.container_id: a for a in attachments})

    def drop(self, container_id: ContainerId) -> bool:
        """False if it was not served."""
        return self._attachments.pop(container_id, None) is not None

    def pods(self, by_uid: Mapping[str, LocalPod]) -> Iterator[AttachedPod]:
        """Those that control knows, and containers that are no Pods.

        A pod that has not changed is the very same object as last time.
        """
        before, self._known = self._known, {}
        for container, attachment in self._attachments.items():
            pod = by_uid.get(attachment.pod_uid) if attachment.namespace else None
            known = before.get(container)
            if known is None or known[0] is not attachment or known[1] is not pod:
                known = attachment, pod, _attached_pod(attachment, pod or unmanaged.of_attachment(attachment))
            self._known[container] = known
            if known[2] is not None:
                yield known[2]


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
        foreign=attachment.foreign.link if attachment.foreign is not None else None,
    )
