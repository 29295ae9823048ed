"""Attachments and what control says of them become the pods of a view."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from attaching import attachment
from meshbuild import identity
from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.journal import Attachment, Foreign, Phase
from tandem.ir.fabric import LocalPod
from tandem.ir.node import ForeignLink
from tandem.runtime.attached import Attached
from tandem.state.foreign import UNTOUCHED
from tandem.state.links import Shaping

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


def test_a_pod_is_limited_by_what_it_may_receive_alone() -> None:
    for shaping, limited in ((Shaping(ingress_rate=8), True), (Shaping(egress_rate=8), False)):
        (found,) = attached(msgspec.structs.replace(SERVED, shaping=shaping)).pods(KNOWN)
        assert found.limited == limited


def test_what_is_dropped_is_served_no_more() -> None:
    served = attached(SERVED)
    assert served.drop(SERVED.container_id)
    assert not served.drop(SERVED.container_id)
    assert (len(served), served.pods(KNOWN)) == (0, ())


NAMES = [f"p{n:02}" for n in range(6)]
Steps = st.lists(st.tuples(st.sampled_from(["take", "drop", "tell", "look"]), st.sampled_from(NAMES)), max_size=40)


@given(Steps)
def test_pods_are_in_order_and_up_to_date_whatever_is_taken_dropped_and_told(steps: list[tuple[str, str]]) -> None:
    everything = {
        name: msgspec.structs.replace(SERVED, container_id=ContainerId(f"c-{name}"), pod_uid=PodUid(f"u-{name}"))
        for name in NAMES
    }
    told = {f"u-{n}": msgspec.structs.replace(POD, uid=PodUid(f"u-{n}"), name=n[::-1]) for n in NAMES[:3]}
    served, there = attached(), dict[str, Attachment]()
    for number, (step, name) in enumerate([*steps, ("look", "")]):
        match step:
            case "take":
                served.take([everything[name]])
                there[name] = everything[name]
            case "drop":
                assert served.drop(everything[name].container_id) is (there.pop(name, None) is not None)
            case "tell":
                told = told | {f"u-{name}": msgspec.structs.replace(POD, name=f"{9 - number % 3}-{name}")}
            case _:
                found = served.pods(told)
                assert found == attached(*there.values()).pods(told)
                assert list(found) == sorted(found, key=lambda a: (a.pod.namespace, a.pod.name, a.container_id))
                assert served.pods(told) is found


def test_networks_that_close_their_containers_are_known_for_as_long_as_one_is_served() -> None:
    closed = msgspec.structs.replace(SERVED, namespace="", closed_by="net")
    served = attached(closed)
    assert list(served.closing) == ["net"]
    served.take([SERVED])
    assert list(served.closing) == []
    served.take([closed])
    served.drop(closed.container_id)
    assert list(served.closing) == []
