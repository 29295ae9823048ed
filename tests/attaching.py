"""Attachments for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.journal import Attachment


def attachment(container: str, *addresses: str, **fields: Any) -> Attachment:
    """The interface eth0 of a container; `fields` in place of what it has otherwise."""
    plain = Attachment(
        container_id=ContainerId(container),
        ifname="eth0",
        pod_uid=PodUid("u"),
        namespace="n",
        pod_name="p",
        addresses=addresses,
        mac="02:00:00:00:00:01",
        host_ifname="td1",
        mtu=1500,
        netns="/ns",
    )
    return msgspec.structs.replace(plain, **fields)
