"""Attachments and what control says of them become the pods of a view."""

from __future__ import annotations

import msgspec

from attaching import attachment
from meshbuild import identity
from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.journal import Attachment, Foreign, Phase
from tandem.ir.fabric import LocalPod
from tandem.ir.node import ForeignLink
from tandem.runtime.attached import Attached
from tandem.state.foreign import UNTOUCHED

POD = LocalPod(uid=PodUid("u-a"), namespace="shop", name="a", service_account="a", identity=identity("a"), meshed=False)
KNOWN = {"u-a": POD}
SERVED = attachment("c-a", "10.244.0.2", pod_uid=PodUid("u-a"), pin="/pins/c-a", phase=Phase.READY)


def attached(*attachments: Attachment) -> Attached:
    made = Attached()
    made.take(attachments)
    return made


def test_a_pod_is_enforced_once_it_is_bound_here_and_attached() -> None:
    gone = msgspec.structs.replace(SERVED, container_id=ContainerId("c-b"), pod_uid=PodUid("u-gone"))
    (found,) = attached(SERVED, gone).pods(KNOWN)
    assert (found.pod, found.netns, found.addresses) == (POD, "/pins/c-a", ("10.244.0.2",))


def test_a_pod_behind_another_plugin_has_its_foreign_addresses_and_its_names() -> None:
    link = ForeignLink(ifname="eth0", guarded=True)
    foreign = Foreign(link=link, addresses=("10.88.0.2",), before=UNTOUCHED)
    chained = msgspec.structs.replace(
        SERVED, addresses=(), host_ifname="", network="MyNet", aliases=("db",), foreign=foreign
    )
    (found,) = attached(chained).pods(KNOWN)
    assert (found.addresses, found.foreign, found.aliases) == (("10.88.0.2",), link, ("db.mynet",))


def test_a_pod_that_has_not_changed_is_the_same_object_and_one_that_has_is_another() -> None:
    served = attached(SERVED)
    (first,) = served.pods(KNOWN)
    (second,) = served.pods(dict(KNOWN))
    assert second is first
    (third,) = served.pods({"u-a": msgspec.structs.replace(POD, meshed=True)})
    assert third.pod.meshed


def test_what_is_dropped_is_served_no_more() -> None:
    served = attached(SERVED)
    assert served.drop(SERVED.container_id)
    assert not served.drop(SERVED.container_id)
    assert (len(served), list(served.pods(KNOWN))) == (0, [])
