"""What every LinkDriver does with the devices of a fabric: the fake, and the real one in namespaces of its own."""

from __future__ import annotations

import asyncio
import select
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.linkcases import NET, Case, case_of
from netns.podlab import ip, lab
from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.compile.links import compile_pod_link
from tandem.drivers.link.port import LinkDriver
from tandem.drivers.link.real import KernelLinks
from tandem.state.devices import Device, DeviceAddress, Forward, Neighbour
from tandem.state.links import LAST_METRIC, HostSide, NodeNet, Route


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.root)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with case_of(request.param, tmp_path) as made:
        yield made


TUNNEL = Device(
    name="tandem-vx",
    kind="vxlan",
    mtu=1450,
    mac="02:00:00:00:00:01",
    options=(("df", 1), ("dstport", 4789), ("id", 116), ("learning", 0), ("local", "192.0.2.1")),
    settings=(("ipv4", "rp_filter", "1"), ("ipv6", "addr_gen_mode", "1")),
)


def tunnelled(*peers: int, device: Device = TUNNEL) -> NodeNet:
    """Node 1 with a tunnel to these nodes."""
    routes = [
        Route(prefix=f"10.244.{n}.0/24", via=f"10.244.{n}.1", dev=device.name, onlink=True, source="10.244.0.1")
        for n in peers
    ]
    routes += [
        Route(prefix=f"fd00:{n}::/64", via=f"fd00:{n}::1", dev=device.name, onlink=True, mtu=1400) for n in peers
    ]
    macs = {n: f"02:00:00:00:01:0{n}" for n in peers}
    return replace(
        NET,
        routes=tuple(sorted((*NET.routes, *routes))),
        devices=(device,),
        on_devices=(DeviceAddress(dev=device.name, prefix="10.244.0.1/32"),),
        neighbours=tuple(Neighbour(dev=device.name, address=f"10.244.{n}.1", mac=macs[n]) for n in peers),
        forwards=tuple(Forward(dev=device.name, mac=macs[n], to=f"192.0.2.{n}") for n in peers),
    )


def prefixes(net: NodeNet) -> tuple[str, ...]:
    return tuple(route.prefix for route in net.routes)


def test_a_device_comes_with_its_routes_and_goes_with_them(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        assert await driver.apply_node(tunnelled(2, 3)) == ()
        owned = await driver.list_owned()
        assert owned.devices == ("tandem-vx",)
        assert owned.routes == prefixes(tunnelled(2, 3))
        await driver.apply_node(tunnelled(3))
        assert (await driver.list_owned()).routes == prefixes(tunnelled(3))
        await driver.apply_node(NET)
        owned = await driver.list_owned()
        assert (owned.devices, owned.routes) == ((), prefixes(NET))

    case.play(book)


def test_a_route_whose_next_hop_is_on_no_network_is_told_and_the_others_are_there(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        far = Route(prefix="10.244.9.0/24", via="203.0.113.9")
        told = await driver.apply_node(replace(tunnelled(2), routes=(*tunnelled(2).routes, far)))
        assert told == ("no route to 10.244.9.0/24: its next hop 203.0.113.9 is on no network of this node",)
        assert (await driver.list_owned()).routes == prefixes(tunnelled(2))

    case.play(book)


def test_a_sweep_takes_the_device_and_what_is_on_it(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.apply_node(tunnelled(2))
        assert (await driver.sweep()).devices == ("tandem-vx",)
        assert not await driver.list_owned()

    case.play(book)


SEGMENT = Device(
    name="td-br",
    kind="bridge",
    mtu=1400,
    mac="02:00:00:00:00:bb",
    options=(("mcast_snooping", 0),),
    settings=(("ipv4", "rp_filter", "0"), ("ipv6", "proxy_ndp", "1")),
)
PORT = compile_pod_link(
    ContainerId("c1"),
    "eth0",
    addresses=("10.244.0.5", "fd00:10:244::5"),
    host=HostSide(node="n", sources=("10.244.0.1",), mtu=1400, segment=("10.244.0.0/24", "fd00:10:244::/64")),
)


def test_a_device_answers_for_the_addresses_that_it_is_told_and_for_no_other(case: Case) -> None:
    def answering(*addresses: str) -> NodeNet:
        return replace(
            NET, devices=(SEGMENT,), neighbours=tuple(Neighbour(dev="td-br", address=a, mac="") for a in addresses)
        )

    async def book(driver: LinkDriver) -> None:
        await driver.apply_node(answering("10.244.0.7", "fd00:10:244::7"))
        await driver.apply_node(answering("10.244.0.8", "fd00:10:244::7"))
        if case.node:
            told = ip(case.node, "neighbour", "show", "proxy").splitlines()
            assert sorted(line.split()[0] for line in told) == ["10.244.0.8", "fd00:10:244::7"]
        await driver.apply_node(answering())
        if case.node:
            assert not ip(case.node, "neighbour", "show", "proxy")
        await driver.apply_node(NET)
        assert (await driver.list_owned()).devices == ()

    case.play(book)


def test_a_port_of_the_bridge_is_as_it_should_be_and_goes_without_the_bridge(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.apply_node(replace(NET, devices=(SEGMENT,)))
        await driver.create(PORT, case.pods[0])
        await driver.open(PORT, case.pods[0])
        assert await driver.check(PORT, case.pods[0]) == ()
        alone = replace(PORT, segment=(), bridge="")
        assert f"{PORT.host_ifname} is a port of td-br, not of none" in await driver.check(alone, case.pods[0])
        await driver.remove(PORT, case.pods[0])
        assert (await driver.list_owned()).devices == ("td-br",)

    case.play(book)


@pytest.mark.root
@pytest.mark.parametrize("setting", ["ipv4.conf.td-br.forwarding=0", "ipv6.conf.td-br.proxy_ndp=0"])
def test_what_packets_need_of_the_bridge_is_told_and_put_back(tmp_path: Path, setting: str) -> None:
    with case_of("kernel", tmp_path) as case:

        async def book(driver: LinkDriver) -> None:
            await driver.apply_node(replace(NET, devices=(SEGMENT,)))
            await driver.create(PORT, case.pods[0])
            await driver.open(PORT, case.pods[0])
            disturb(case.node, setting)
            (found,) = await driver.check(PORT, case.pods[0])
            assert found.startswith("of the node, td-br has the setting")
            assert not await driver.repair(PORT, case.pods[0])
            assert await driver.check(PORT, case.pods[0]) == ()

        case.play(book)


def test_without_the_bridge_there_is_no_port_and_nothing_is_left(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        with pytest.raises(DriverError, match="the bridge td-br is missing"):
            await driver.create(PORT, case.pods[0])
        assert (await driver.list_owned()).links == ()

    case.play(book)


def disturb(node: str, setting: str) -> None:
    subprocess.run(["ip", "netns", "exec", Path(node).name, "sysctl", "-qw", f"net.{setting}"], check=True)


def bridge(node: str, *arguments: str) -> str:
    argv = ["bridge", "-n", Path(node).name, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.mark.root
def test_what_is_on_a_device_becomes_exactly_what_is_wanted_without_making_it_anew(tmp_path: Path) -> None:
    with lab() as spaces:
        node = spaces.add("node")

        async def main() -> list[str]:
            driver = KernelLinks(tmp_path, node_netns=node)
            await driver.apply_node(tunnelled(2, 3))
            seen = [ip(node, "-o", "link", "show", "tandem-vx").partition(":")[0]]
            bridge(node, "fdb", "add", "02:00:00:00:09:09", "dev", "tandem-vx", "dst", "192.0.2.9")
            ip(node, "neighbour", "add", "10.244.9.1", "lladdr", "02:00:00:00:09:09", "dev", "tandem-vx")
            await driver.apply_node(tunnelled(3, device=replace(TUNNEL, mtu=1400)))
            seen.append(ip(node, "-o", "link", "show", "tandem-vx").partition(":")[0])
            await driver.apply_node(tunnelled(3, device=replace(TUNNEL, mtu=1400)))
            seen += [ip(node, "-d", "link", "show", "tandem-vx"), ip(node, "neighbour", "show", "nud", "permanent")]
            seen.append(bridge(node, "fdb", "show", "dev", "tandem-vx"))
            await driver.apply_node(tunnelled(3, device=replace(TUNNEL, options=(("id", 7), ("learning", 0)))))
            seen.append(ip(node, "-d", "link", "show", "tandem-vx"))
            await driver.close()
            return seen

        first, second, link_, neighbours, forwards, other = asyncio.run(main())
        assert first == second
        assert "mtu 1400" in link_
        assert "alias tandem-fabric:vxlan" in link_
        assert [line.split()[0] for line in neighbours.splitlines()] == ["10.244.3.1"]
        assert [line.split()[:3] for line in forwards.splitlines()] == [["02:00:00:00:01:03", "dst", "192.0.2.3"]]
        assert "vxlan id 7 " in other


@pytest.mark.root
def test_a_prefix_of_ipv6_moves_to_a_tunnel_whose_hop_it_covers_and_back(tmp_path: Path) -> None:
    with lab() as spaces:
        node = spaces.add("node")
        ip(node, "link", "add", "under", "type", "veth", "peer", "name", "over")
        ip(node, "link", "set", "over", "up")
        ip(node, "addr", "add", "fd77::1/64", "dev", "under", "nodad")
        ip(node, "link", "set", "under", "up")
        routed = replace(NET, routes=tuple(sorted((*NET.routes, Route(prefix="fd00:2::/64", via="fd77::2")))))

        async def main() -> list[str]:
            driver, seen = KernelLinks(tmp_path, node_netns=node), []
            for wanted in (routed, tunnelled(2), routed):
                assert await driver.apply_node(wanted) == ()
                seen.append(ip(node, "-6", "route", "show", "fd00:2::/64"))
            await driver.close()
            return seen

        found = asyncio.run(main())
        assert ["via fd77::2 dev under" in line for line in found] == [True, False, True]
        assert "via fd00:2::1 dev tandem-vx" in found[1]


@pytest.mark.root
def test_what_refuses_a_prefix_is_there_before_the_way_to_it_goes_and_until_it_is_back(tmp_path: Path) -> None:
    """As encryption is switched on and off: never is there a moment for the default route."""
    ways = {"10.244.2.0/24": "192.0.2.2", "fd00:2::/64": "fd77::2"}
    clear = replace(NET, routes=tuple(sorted((*NET.routes, *(Route(prefix=p, via=v) for p, v in ways.items())))))
    last = (Route(prefix=prefix, metric=LAST_METRIC) for prefix in ways)
    refused = replace(NET, routes=tuple(sorted((*NET.routes, *last))))
    with lab() as spaces:
        node = spaces.add("node")
        ip(node, "link", "add", "under", "type", "veth", "peer", "name", "over")
        ip(node, "link", "set", "over", "up")
        ip(node, "addr", "add", "192.0.2.1/24", "dev", "under")
        ip(node, "addr", "add", "fd77::1/64", "dev", "under", "nodad")
        ip(node, "link", "set", "under", "up")
        argv = ["ip", "-n", Path(node).name, "-o", "monitor", "route"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as monitor:
            assert monitor.stdout is not None
            try:
                # It says so when it listens, and what happens is told in its order.
                while not select.select([monitor.stdout], [], [], 0.05)[0]:
                    ip(node, "route", "replace", "unreachable", "198.51.100.0/24")

                async def main() -> None:
                    driver = KernelLinks(tmp_path, node_netns=node)
                    for wanted in (clear, refused, clear):
                        assert await driver.apply_node(wanted) == ()
                    await driver.close()

                asyncio.run(main())
                ip(node, "route", "replace", "unreachable", "203.0.113.0/24")
                told: list[str] = []
                while "203.0.113.0/24" not in (line := monitor.stdout.readline()):
                    told.append(line)
            finally:
                monitor.terminate()
    for prefix in ways:
        mine = [line for line in told if prefix in line]
        steps = [f"{'-' if 'Deleted' in s else '+'}{'refused' if 'unreachable' in s else 'way'}" for s in mine]
        assert steps == ["+way", "+refused", "-way", "+way", "-refused"]


def test_a_route_that_is_used_last_lies_below_another_to_the_same_prefix(case: Case) -> None:
    last = Route(prefix="10.244.2.0/24", metric=LAST_METRIC)
    last6 = Route(prefix="fd00:2::/64", metric=LAST_METRIC)

    async def book(driver: LinkDriver) -> None:
        both = replace(tunnelled(2), routes=tuple(sorted((*tunnelled(2).routes, last, last6))))
        for net in (both, tunnelled(2), both, replace(NET, routes=(*NET.routes, last, last6)), both):
            assert await driver.apply_node(net) == ()
            assert sorted((await driver.list_owned()).routes) == sorted(prefixes(net))

    case.play(book)


@pytest.mark.root
@pytest.mark.parametrize(
    ("address", "prefix", "via"),
    [
        ("192.0.2.1/24", "10.244.2.0/24", "192.0.2.2"),
        ("2001:db8::1/64", "fd00:2::/64", "2001:db8::2"),
    ],
)
def test_what_a_speaker_has_made_is_left_alone_while_there_is_one_and_removed_after_it(
    tmp_path: Path, address: str, prefix: str, via: str
) -> None:
    with lab() as spaces:
        node = spaces.add("node")
        ip(node, "link", "add", "eth0", "type", "bridge")
        ip(node, "link", "set", "eth0", "up")
        ip(node, "address", "add", address, "dev", "eth0", "nodad")
        # As BIRD makes them; the second is another BIRD's.
        learnt = ("route", "add", prefix, "via", via, "proto", "bird", "metric")
        ip(node, *learnt, "116")
        ip(node, *learnt, "32")

        def left() -> int:
            family = "-6" if ":" in via else "-4"
            return len(ip(node, family, "route", "show", "proto", "bird").splitlines())

        async def main() -> None:
            driver = KernelLinks(tmp_path / "netns", node_netns=node)
            await driver.apply_node(replace(NET, learns=True))
            assert left() == 2
            assert prefix in (await driver.list_owned()).routes
            await driver.apply_node(NET)
            assert left() == 1
            await driver.close()

        asyncio.run(main())
