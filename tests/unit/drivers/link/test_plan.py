"""Desired and actual -> changes and differences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tandem.base.ids import ContainerId
from tandem.compile.links import compile_pod_link
from tandem.drivers.link.plan import Actual, End, container_of, differences, owns
from tandem.state.links import HostSide
from tandem.state.ownership import LOCAL_MARKS

HOST = HostSide(node="node-1", sources=("10.244.0.1",), mtu=1400)
LINK = replace(compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5",), host=HOST), captured=True)
HOST_END = End(
    mac=LINK.host_mac,
    mtu=1400,
    up=True,
    neighbours=frozenset({("10.244.0.5", LINK.mac)}),
    routes=frozenset({("10.244.0.5/32", "", "10.244.0.1")}),
)
POD_END = End(
    mac=LINK.mac,
    mtu=1400,
    up=True,
    prefixes=frozenset({"10.244.0.5/32"}),
    neighbours=frozenset({("169.254.1.1", LINK.host_mac)}),
    routes=frozenset({("0.0.0.0/0", "169.254.1.1", ""), ("169.254.1.1/32", "", "")}),
)
GOOD = Actual(
    host=HOST_END, pod=POD_END, marks=frozenset((4, mark) for mark in LOCAL_MARKS), local_tables=frozenset({4})
)


def test_a_link_as_it_should_be_has_no_differences() -> None:
    assert differences(LINK, GOOD) == ()


def test_a_pod_outside_the_mesh_needs_no_rules() -> None:
    bare = replace(GOOD, marks=frozenset(), local_tables=frozenset())
    assert differences(replace(LINK, captured=False), bare) == ()
    assert len(differences(LINK, bare)) == 3


def test_what_others_added_is_no_difference() -> None:
    pod = replace(
        POD_END, prefixes=POD_END.prefixes | {"192.0.2.1/24"}, routes=POD_END.routes | {("1.0.0.0/8", "", "")}
    )
    assert differences(LINK, replace(GOOD, pod=pod, marks=GOOD.marks | {(4, 1), (6, 1)})) == ()


@pytest.mark.parametrize(
    ("actual", "sentence"),
    [
        (replace(GOOD, host=None), f"host interface {LINK.host_ifname} is missing"),
        (replace(GOOD, pod=None), "interface eth0 is missing in the pod"),
        (replace(GOOD, host=replace(HOST_END, up=False)), f"{LINK.host_ifname} is down"),
        (replace(GOOD, pod=replace(POD_END, mtu=9000)), "eth0 has MTU 9000, not 1400"),
        (replace(GOOD, pod=replace(POD_END, mac="02:00:00:00:00:00")), "eth0 has MAC address 02:00:00:00:00:00"),
        (replace(GOOD, pod=replace(POD_END, prefixes=frozenset())), "eth0 lacks the address 10.244.0.5/32"),
        (replace(GOOD, pod=replace(POD_END, neighbours=frozenset())), "eth0 lacks the permanent neighbour"),
        (
            replace(GOOD, pod=replace(POD_END, routes=frozenset({("169.254.1.1/32", "", "")}))),
            "the pod lacks the default route by 169.254.1.1",
        ),
        (
            replace(GOOD, pod=replace(POD_END, routes=frozenset({("0.0.0.0/0", "169.254.1.1", "")}))),
            "the pod lacks the route to its next hop",
        ),
        (replace(GOOD, host=replace(HOST_END, routes=frozenset())), "the node lacks the route to 10.244.0.5"),
        (replace(GOOD, host=replace(HOST_END, neighbours=frozenset())), "lacks the permanent neighbour 10.244.0.5"),
        (replace(GOOD, marks=frozenset({(4, LOCAL_MARKS[0])})), "the pod lacks the IPv4 rule for mark 0x53b"),
        (
            replace(GOOD, local_tables=frozenset({6})),
            "the pod lacks the IPv4 route 'local default dev lo' in table 116",
        ),
    ],
)
def test_each_difference_is_one_sentence(actual: Actual, sentence: str) -> None:
    found = differences(LINK, actual)
    assert len(found) == 1
    assert sentence in found[0]


DUAL_HOST = replace(HOST, sources=("10.244.0.1", "fd00:10:244::1"))
DUAL = replace(
    compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5", "fd00:10:244::5"), host=DUAL_HOST),
    captured=True,
)
BOTH = Actual(
    host=replace(
        HOST_END,
        neighbours=HOST_END.neighbours | {("fd00:10:244::5", DUAL.mac)},
        routes=HOST_END.routes | {("fd00:10:244::5/128", "", "fd00:10:244::1")},
    ),
    pod=replace(
        POD_END,
        prefixes=frozenset(map(DUAL.prefix_of, DUAL.addresses)),
        neighbours=POD_END.neighbours | {("fe80::1", DUAL.host_mac)},
        routes=POD_END.routes | {("::/0", "fe80::1", "")},
    ),
    marks=frozenset((version, mark) for version in (4, 6) for mark in LOCAL_MARKS),
    local_tables=frozenset({4, 6}),
)


def test_a_link_of_both_families_as_it_should_be_has_no_differences() -> None:
    assert differences(DUAL, BOTH) == ()


def test_a_link_of_ipv4_lacks_all_of_ipv6() -> None:
    assert differences(DUAL, GOOD) == (
        f"the node lacks the route to fd00:10:244::5 by {DUAL.host_ifname} from fd00:10:244::1",
        f"{DUAL.host_ifname} lacks the permanent neighbour fd00:10:244::5 at {DUAL.mac}",
        "eth0 lacks the address fd00:10:244::5/128",
        "the pod lacks the default route by fe80::1",
        f"eth0 lacks the permanent neighbour fe80::1 at {DUAL.host_mac}",
        "the pod lacks the IPv6 rule for mark 0x53a to table 116",
        "the pod lacks the IPv6 rule for mark 0x53b to table 116",
        "the pod lacks the IPv6 route 'local default dev lo' in table 116",
    )


@pytest.mark.parametrize(
    ("name", "alias", "ours"),
    [
        ("td0123456789a", "", True),
        ("anything", "tandem:node-1:c1", True),
        ("td0", "", False),
        ("tdxyz456789ab", "", False),
        ("eth0", "tandemx", False),
    ],
)
def test_a_link_is_ours_by_alias_or_by_name(name: str, alias: str, *, ours: bool) -> None:
    assert owns(name, alias) is ours


@pytest.mark.parametrize(
    ("alias", "container"), [("tandem:node-1:c1", "c1"), ("tandem:node-1:", None), ("other:n:c1", None), ("", None)]
)
def test_the_container_is_in_the_alias(alias: str, container: str | None) -> None:
    assert container_of(alias) == container


def test_what_we_make_is_recognised_as_ours() -> None:
    assert owns(LINK.host_ifname, "")
    assert container_of(LINK.alias) == "c1"


def test_a_port_of_the_bridge_is_one_and_has_its_address_in_the_segment() -> None:
    shared = compile_pod_link(
        ContainerId("c1"), "eth0", addresses=("10.244.0.5",), host=replace(HOST, segment=("10.244.0.0/24",))
    )
    pod = replace(POD_END, prefixes=frozenset({"10.244.0.5/24"}))
    good = replace(GOOD, host=replace(HOST_END, master="td-br"), pod=pod)
    assert differences(shared, good) == ()
    assert differences(shared, GOOD) == (
        f"{LINK.host_ifname} is a port of no bridge, not of td-br",
        "eth0 lacks the address 10.244.0.5/24",
    )
    assert differences(LINK, good)[0] == f"{LINK.host_ifname} is a port of td-br, not of none"
