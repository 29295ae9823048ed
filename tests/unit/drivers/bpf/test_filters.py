"""Messages for filters, taken apart again; that the kernel takes them is shown in tests/contract/test_fast_path.py."""

from __future__ import annotations

from tandem.drivers.bpf import filters
from tandem.drivers.link import rtnl
from tandem.drivers.link.rtnl import Message


def parts(message: Message) -> tuple[tuple[int, ...], dict[int, bytes]]:
    return rtnl.QDISC.unpack_from(message.body), rtnl.attrs(message.body[rtnl.QDISC.size :])


def test_a_filter_is_ours_at_ingress_and_replaces_its_forerunner() -> None:
    message = filters.put_filter(7, 42)
    header, attributes = parts(message)
    assert header[1:4] == (7, filters.HANDLE, filters.INGRESS)
    assert header[4] >> 16 == filters.PRIORITY
    assert message.flags == rtnl.CREATE
    assert filters.is_ours(attributes)
    assert rtnl.attrs(attributes[filters.TCA_OPTIONS])[filters.TCA_BPF_FD] == rtnl.u32(42)
    assert parts(filters.drop_filter(7))[0] == header


def test_filters_of_others_are_not_ours() -> None:
    named = rtnl.attr(filters.TCA_BPF_NAME, b"theirs\0")
    ours = rtnl.attr(filters.TCA_BPF_NAME, b"tandem-fast\0")
    assert not filters.is_ours({filters.TCA_KIND: b"bpf\0", filters.TCA_OPTIONS: named})
    assert not filters.is_ours({filters.TCA_KIND: b"u32\0", filters.TCA_OPTIONS: ours})
    assert not filters.is_ours({filters.TCA_KIND: b"bpf\0"})
    assert filters.is_ours({filters.TCA_KIND: b"bpf\0", filters.TCA_OPTIONS: ours})


def test_the_qdisc_is_made_once_and_dropped_by_its_place() -> None:
    made, dropped = filters.add_qdisc(7), filters.drop_qdisc(7)
    assert made.flags & rtnl.EXCL
    assert parts(made)[0] == parts(dropped)[0] == (0, 7, filters.QDISC_HANDLE, filters.QDISC_PARENT, 0)
    assert filters.of_link(7, filters.EGRESS) == rtnl.QDISC.pack(0, 7, 0, filters.EGRESS, 0)
