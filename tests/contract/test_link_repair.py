"""What others changed of a pod's link is put back, and what they added stays: the fake and the kernel alike."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.linkcases import Case, case_of
from netns.podlab import ip
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.compile.links import compile_pod_link
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.link.port import LinkDriver
from tandem.state.links import HostSide, LinkOptions, Shaping

HOST = HostSide(node="node-1", sources=("10.244.0.1", "fd00:10:244::1"), mtu=1400)
OPTIONS = LinkOptions(shaping=Shaping(ingress_rate=8_000_000, egress_rate=16_000_000))
LINK = replace(
    compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5", "fd00:10:244::5"), host=HOST, options=OPTIONS),
    captured=True,
)
CHANGES = (
    "ip address flush dev eth0",
    "ip address del 10.244.0.5/32 dev eth0",
    "ip route flush table main",
    "ip -6 route del default",
    "ip route replace default dev eth0",
    "ip rule flush; ip rule add lookup main pref 32766; ip rule add lookup local pref 0",
    "ip -6 rule del pref 116",
    "ip route flush table 116",
    "ip neighbour flush dev eth0 nud permanent",
    "ip -6 neighbour replace fe80::1 lladdr 02:00:00:00:00:99 dev eth0",
    "ip link set eth0 down",
    "ip link set lo down",
    "ip link set eth0 mtu 1300",
    "ip link set eth0 address 02:00:00:00:00:99",
    "ip link set eth0 down; ip link set eth0 name mine",
    "ip link del eth0",
    "tc qdisc del dev eth0 root",
    "sysctl -qw net.ipv4.conf.all.rp_filter=1",
    "sysctl -qw net.ipv4.conf.eth0.rp_filter=2",
    "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1",
    "sysctl -qw net.ipv6.conf.eth0.accept_ra=2",
)
NODE_CHANGES = (
    "sysctl -qw net.ipv4.ip_forward=0",
    "sysctl -qw net.ipv6.conf.all.forwarding=0",
    "sysctl -qw net.ipv4.conf.{host}.forwarding=0",
    "sysctl -qw net.ipv4.conf.{host}.rp_filter=1",
    "sysctl -qw net.ipv6.conf.{host}.disable_ipv6=1",
    "sysctl -qw net.ipv6.conf.{host}.accept_ra=2",
    "sysctl -qw net.ipv4.conf.{host}.route_localnet=0",
)
ADDED = (
    "ip address add 192.0.2.7/24 dev eth0",
    "ip route add 198.51.100.0/24 via 192.0.2.9",
    "ip rule add from 192.0.2.7 lookup 77 pref 50",
    "ip link add mine type veth peer name yours",
    "nft add table ip mine",
)


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.root)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with case_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Case]:
    with case_of("kernel", tmp_path) as made:
        yield made


def run(netns: str, command: str) -> None:
    subprocess.run(["ip", "netns", "exec", Path(netns).name, "sh", "-ec", command], check=True)


def run_on(netns: str, command: str) -> str:
    argv = ["ip", "netns", "exec", Path(netns).name, "sh", "-ec", command]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def test_a_whole_link_stays_as_it_is(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(LINK, case.pods[0])
        await driver.open(LINK, case.pods[0])
        assert not await driver.repair(LINK, case.pods[0])
        assert await driver.check(LINK, case.pods[0]) == ()

    case.play(book)


def test_a_link_that_is_gone_is_made_anew(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(LINK, case.pods[0])
        await driver.remove(LINK, case.pods[0])
        assert await driver.repair(LINK, case.pods[0])
        assert await driver.check(LINK, case.pods[0]) == ()

    case.play(book)


def test_the_pods_end_says_what_it_is_while_both_are_there(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        assert await driver.hardware(LINK, case.pods[0]) is None
        await driver.create(LINK, case.pods[0])
        assert await driver.hardware(LINK, case.pods[0]) == (LINK.mac, 1400)
        await driver.remove_all((LINK.host_ifname,))
        assert await driver.hardware(LINK, case.pods[0]) is None

    case.play(book)


def test_a_repair_that_fails_says_so(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        with pytest.raises(DriverError, match="/no/such"):
            await driver.repair(LINK, "/no/such")

    case.play(book)


def test_what_others_added_stays_in_the_fake_as_well() -> None:
    with case_of("fake", Path()) as case:

        async def book(driver: LinkDriver) -> None:
            assert isinstance(driver, FakeLinks)
            await driver.create(LINK, case.pods[0])
            await driver.open(LINK, case.pods[0])
            pod = driver.namespaces[case.pods[0]]
            pod.ends["eth0"] = replace(pod.ends["eth0"], prefixes=frozenset({"192.0.2.7/24"}))
            pod.unmet = ("eth0 has another setting",)
            assert len(await driver.check(LINK, case.pods[0])) == 3
            assert not await driver.repair(LINK, case.pods[0])
            assert await driver.check(LINK, case.pods[0]) == ()
            assert "192.0.2.7/24" in pod.ends["eth0"].prefixes

        case.play(book)


@pytest.mark.root
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_others_change_is_put_back(kernel: Case, change: str) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(LINK, kernel.pods[0])
        await driver.open(LINK, kernel.pods[0])
        run(kernel.pods[0], change)
        assert await driver.check(LINK, kernel.pods[0])
        assert await driver.repair(LINK, kernel.pods[0]) == (change.endswith(("name mine", "link del eth0")))
        assert await driver.check(LINK, kernel.pods[0]) == ()

    kernel.play(book)


@pytest.mark.root
@pytest.mark.parametrize("change", NODE_CHANGES)
def test_whatever_others_set_on_the_node_that_packets_need_is_told_and_put_back(kernel: Case, change: str) -> None:
    options = LinkOptions(from_loopback=True)
    link = compile_pod_link(ContainerId("c1"), "eth0", addresses=LINK.addresses, host=HOST, options=options)
    setting, _, value = change.format(host=link.host_ifname).removeprefix("sysctl -qw ").partition("=")

    async def book(driver: LinkDriver) -> None:
        await driver.create(link, kernel.pods[0])
        await driver.open(link, kernel.pods[0])
        assert await driver.check(link, kernel.pods[0]) == ()
        before = run_on(kernel.node, f"sysctl -n {setting}")
        run(kernel.node, f"sysctl -qw {setting}={value}")
        found = await driver.check(link, kernel.pods[0])
        assert found
        assert any(setting.rpartition(".")[2].removeprefix("ip_forward") in sentence for sentence in found)
        assert not await driver.repair(link, kernel.pods[0])
        assert (await driver.check(link, kernel.pods[0]), run_on(kernel.node, f"sysctl -n {setting}")) == ((), before)

    kernel.play(book)


@pytest.mark.root
def test_a_link_forwards_where_new_links_of_the_node_do_not(kernel: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        run(kernel.node, "sysctl -qw net.ipv4.conf.default.forwarding=0 net.ipv4.conf.default.rp_filter=1")
        await driver.create(LINK, kernel.pods[0])
        await driver.open(LINK, kernel.pods[0])
        assert await driver.check(LINK, kernel.pods[0]) == ()

    kernel.play(book)


@pytest.mark.root
def test_what_others_added_is_no_difference_and_outlives_a_repair(kernel: Case) -> None:
    pod = kernel.pods[0]

    def theirs() -> tuple[str, ...]:
        tables = subprocess.check_output(["ip", "netns", "exec", Path(pod).name, "nft", "list", "tables"], text=True)
        words = ("-br address show eth0", "route show 198.51.100.0/24", "rule show pref 50", "-br link show mine")
        return (*(ip(pod, *line.split()) for line in words), tables)

    async def book(driver: LinkDriver) -> None:
        await driver.create(LINK, pod)
        await driver.open(LINK, pod)
        for command in ADDED:
            run(pod, command)
        before = theirs()
        assert all(before)
        assert await driver.check(LINK, pod) == ()
        run(pod, "ip route del default; ip rule del pref 116")
        await driver.repair(LINK, pod)
        assert await driver.check(LINK, pod) == ()
        assert theirs() == before

    kernel.play(book)


@pytest.mark.root
def test_a_limit_where_none_was_asked_for_is_somebody_elses(kernel: Case) -> None:
    plain = compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5",), host=HOST)

    async def book(driver: LinkDriver) -> None:
        await driver.create(plain, kernel.pods[0])
        await driver.open(plain, kernel.pods[0])
        run(kernel.pods[0], "tc qdisc add dev eth0 root tbf rate 1mbit burst 10kb latency 50ms")
        assert await driver.check(plain, kernel.pods[0]) == ()

    kernel.play(book)
