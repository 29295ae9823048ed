"""What every LinkDriver does: the fake, and the real one in namespaces of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from contract.linkcases import NET, Case, case_of
from netns.podlab import ip, lab
from tandem.base.ids import ContainerId
from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.compile.links import compile_pod_link
from tandem.drivers.link.port import LinkDriver, LinkExistsError, NetnsError, Owned
from tandem.drivers.link.real import KernelLinks
from tandem.state.links import HostSide, LinkOptions, NodeNet, PodLink, Shaping
from tandem.state.ownership import LOCAL_MARKS

HOST = HostSide(node="node-1", sources=("10.244.0.1", "fd00:10:244::1"), mtu=1400)
C1, C2 = ContainerId("c1"), ContainerId("c2")


@pytest.fixture(params=["fake", pytest.param("kernel", marks=pytest.mark.root)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    with case_of(request.param, tmp_path) as made:
        yield made


def link(container: ContainerId = C1, *addresses: str) -> PodLink:
    return compile_pod_link(container, "eth0", addresses=addresses or ("10.244.0.5",), host=HOST)


def test_a_created_link_is_closed_and_lacks_only_its_host_side(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(link(), case.pods[0])
        found = await driver.check(link(), case.pods[0])
        assert [f"{link().host_ifname} is down" in found, len(found)] == [True, 3]

    case.play(book)


def test_an_opened_link_is_as_it_should_be(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(link(), case.pods[0])
        await driver.open(link(), case.pods[0])
        assert await driver.check(link(), case.pods[0]) == ()

    case.play(book)


FAMILIES = pytest.mark.parametrize(
    "addresses", [("fd00:10:244::5",), ("10.244.0.5", "fd00:10:244::5")], ids=["ipv6", "both"]
)


@FAMILIES
def test_a_link_of_ipv6_is_as_it_should_be_once_opened_and_leaves_nothing(
    case: Case, addresses: tuple[str, ...]
) -> None:
    wanted = link(C1, *addresses)

    async def book(driver: LinkDriver) -> None:
        await driver.create(wanted, case.pods[0])
        assert len(await driver.check(wanted, case.pods[0])) == 1 + 2 * len(addresses)
        await driver.open(wanted, case.pods[0])
        assert await driver.check(wanted, case.pods[0]) == ()
        await driver.remove(wanted, case.pods[0])
        plain = link()
        await driver.create(plain, case.pods[0])
        await driver.open(plain, case.pods[0])
        assert await driver.check(plain, case.pods[0]) == ()
        assert "eth0 lacks the address fd00:10:244::5/128" in await driver.check(wanted, case.pods[0])

    case.play(book)


@FAMILIES
def test_a_cut_frees_what_a_link_of_ipv6_had(case: Case, addresses: tuple[str, ...]) -> None:
    old, new = link(C1, *addresses), link(C2, "10.244.0.6", "fd00:10:244::6")

    async def book(driver: LinkDriver) -> None:
        await driver.create(old, case.pods[0])
        await driver.open(old, case.pods[0])
        await driver.cut(old, case.pods[0])
        await driver.create(new, case.pods[0])
        await driver.open(new, case.pods[0])
        await driver.remove_all((old.host_ifname,))
        assert await driver.check(new, case.pods[0]) == ()

    case.play(book)


def test_a_link_that_is_too_small_for_ipv6_is_refused_and_not_made(case: Case) -> None:
    small = compile_pod_link(C1, "eth0", addresses=("fd00:10:244::5",), host=replace(HOST, mtu=1279))

    async def book(driver: LinkDriver) -> None:
        with pytest.raises(DriverError, match="an MTU of 1279 carries no IPv6: it needs 1280"):
            await driver.create(small, case.pods[0])
        assert (await driver.list_owned()).links == ()

    case.play(book)


def test_create_twice_is_refused_and_changes_nothing(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(link(), case.pods[0])
        await driver.open(link(), case.pods[0])
        with pytest.raises(LinkExistsError, match="exists already"):
            await driver.create(link(), case.pods[0])
        with pytest.raises(LinkExistsError):
            await driver.create(link(), case.pods[1])
        with pytest.raises(LinkExistsError):
            await driver.create(link(C2, "10.244.0.6"), case.pods[0])
        assert await driver.check(link(), case.pods[0]) == ()
        assert (await driver.list_owned()).links == (link().host_ifname,)

    case.play(book)


@pytest.mark.parametrize("ifname", ["eth0", "net1"])
def test_the_namespace_of_another_container_is_refused_and_stays_as_it_was(case: Case, ifname: str) -> None:
    second = compile_pod_link(C2, ifname, addresses=("10.244.0.6",), host=HOST)

    async def book(driver: LinkDriver) -> None:
        await driver.pin(C1, case.pods[0])
        await driver.create(link(), case.pods[0])
        await driver.open(link(), case.pods[0])
        pin = await driver.pin(C2, case.pods[0])
        for path in (case.pods[0], pin):
            with pytest.raises(LinkExistsError, match="already"):
                await driver.create(second, path)
            await driver.remove(second, path)
            assert await driver.check(link(), case.pods[0]) == ()
        assert (await driver.list_owned()).links == (link().host_ifname,)

    case.play(book)


def test_a_namespace_that_is_not_there_is_refused_by_name(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        for call in (driver.create(link(), "/no/such"), driver.check(link(), "/no/such"), driver.pin(C1, "/no/such")):
            with pytest.raises(NetnsError, match="'/no/such'"):
                await call
        assert (await driver.list_owned()).pins == ()

    case.play(book)


def test_a_link_that_is_not_there_cannot_be_opened(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        with pytest.raises(DriverError, match=f"{link().host_ifname} is missing"):
            await driver.open(link(), case.pods[0])

    case.play(book)


def test_remove_leaves_nothing_and_can_be_repeated(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(link(), case.pods[0])
        await driver.open(link(), case.pods[0])
        for _ in range(2):
            await driver.remove(link(), case.pods[0])
        found = await driver.check(link(), case.pods[0])
        assert f"host interface {link().host_ifname} is missing" in found
        assert "interface eth0 is missing in the pod" in found
        await driver.create(link(), case.pods[0])
        await driver.open(link(), case.pods[0])
        assert await driver.check(link(), case.pods[0]) == ()

    case.play(book)


@pytest.mark.parametrize("end", ["remove", "cut"])
def test_what_a_captured_pod_needs_comes_when_asked_for_can_be_repeated_and_goes_with_the_link(
    case: Case, end: str
) -> None:
    plain = link(C1, "10.244.0.5", "fd00:10:244::5")
    wanted = replace(plain, captured=True)

    async def book(driver: LinkDriver) -> None:
        await driver.create(plain, case.pods[0])
        await driver.open(plain, case.pods[0])
        assert len(await driver.check(wanted, case.pods[0])) == 2 * (len(LOCAL_MARKS) + 1)
        for _ in range(2):
            await driver.capture(case.pods[0], wanted.versions)
            assert await driver.check(wanted, case.pods[0]) == ()
        await (driver.remove if end == "remove" else driver.cut)(wanted, case.pods[0])
        await driver.create(replace(plain, container_id=C2, host_ifname="td0123456789a"), case.pods[0])
        assert len([s for s in await driver.check(wanted, case.pods[0]) if "in table" in s or "to table" in s]) == 6
        with pytest.raises(NetnsError):
            await driver.capture("/no/such", wanted.versions)

    case.play(book)


def test_remove_without_a_namespace_is_fine(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(link(), case.pods[0])
        await driver.remove(link(), "")
        assert (await driver.list_owned()).links == ()

    case.play(book)


def test_a_cut_frees_the_interface_in_the_pod_and_remove_all_takes_the_rest(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        old, new = link(C1), link(C2, "10.244.0.6")
        await driver.create(old, case.pods[0])
        await driver.open(old, case.pods[0])
        await driver.cut(old, case.pods[0])
        await driver.cut(old, case.pods[0])
        assert (await driver.list_owned()).links == (old.host_ifname,)
        await driver.create(new, case.pods[0])
        await driver.open(new, case.pods[0])
        await driver.remove_all((old.host_ifname,))
        await driver.remove_all((old.host_ifname,))
        assert await driver.check(new, case.pods[0]) == ()
        assert (await driver.list_owned()).links == (new.host_ifname,)

    case.play(book)


def test_links_are_removed_together_and_no_others(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        first, second = link(C1), link(C2, "10.244.0.6")
        third = link(ContainerId("c3"), "10.244.0.7")
        await driver.create(first, case.pods[0])
        await driver.create(second, case.pods[1])
        await driver.cut(second, case.pods[1])
        await driver.create(third, case.pods[1])
        await driver.open(third, case.pods[1])
        await driver.remove_all((first.host_ifname, second.host_ifname, "td00000000000"))
        assert (await driver.list_owned()).links == (third.host_ifname,)
        assert await driver.check(third, case.pods[1]) == ()

    case.play(book)


def test_a_cut_without_a_namespace_is_fine(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.cut(link(), case.pods[0] + ".gone")
        await driver.remove_all(())

    case.play(book)


def test_a_pin_leads_to_the_namespace_and_can_be_repeated(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        pin = await driver.pin(C1, case.pods[0])
        assert await driver.pin(C1, case.pods[0]) == pin
        await driver.create(link(), pin)
        await driver.open(link(), pin)
        assert await driver.check(link(), case.pods[0]) == ()
        await driver.unpin(C1)
        await driver.unpin(C1)
        with pytest.raises(NetnsError):
            await driver.check(link(), pin)

    case.play(book)


def test_node_addresses_and_routes_become_exactly_what_is_wanted(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        wanted = NodeNet(addresses=("10.244.0.1", "10.96.0.11", "fd00:10:244::2"), routes=NET.routes[:1])
        for _ in range(2):
            await driver.apply_node(wanted)
        owned = await driver.list_owned()
        assert owned.addresses == ("10.244.0.1", "10.96.0.11", "fd00:10:244::2")
        assert owned.routes == ("10.244.0.0/24",)

    case.play(book)


def test_applying_the_node_leaves_the_routes_of_pods_alone(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(link(), case.pods[0])
        await driver.open(link(), case.pods[0])
        await driver.apply_node(NET)
        assert await driver.check(link(), case.pods[0]) == ()

    case.play(book)


def test_settings_are_set_and_their_former_values_returned(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        before = await driver.read_sysctls(["net.ipv4.ip_forward"])
        assert await driver.set_sysctls({"net.ipv4.ip_forward": "1"}) == before
        assert await driver.set_sysctls(before) == {"net.ipv4.ip_forward": "1"}
        with pytest.raises(DriverError):
            await driver.set_sysctls({"net.ipv4.no_such": "1"})

    case.play(book)


def test_a_sweep_of_pods_keeps_those_named(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        for container, address, netns in ((C1, "10.244.0.5", case.pods[0]), (C2, "10.244.0.6", case.pods[1])):
            await driver.pin(container, netns)
            await driver.create(link(container, address), netns)
            await driver.open(link(container, address), netns)
        removed = await driver.sweep_pods(frozenset({C1}))
        assert (removed.links, removed.pins) == ((link(C2).host_ifname,), (C2,))
        assert await driver.check(link(), case.pods[0]) == ()
        assert (await driver.list_owned()).pins == (C1,)

    case.play(book)


def test_a_container_is_alive_while_its_link_or_its_pin_is_there(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        assert await driver.alive() == frozenset()
        await driver.pin(C1, case.pods[0])
        await driver.create(link(C2), case.pods[1])
        assert await driver.alive() == {C1, C2}
        await driver.unpin(C1)
        await driver.remove(link(C2), case.pods[1])
        assert await driver.alive() == frozenset()

    case.play(book)


def test_a_sweep_leaves_nothing_of_ours_and_says_what_it_removed(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.pin(C1, case.pods[0])
        await driver.create(link(), case.pods[0])
        removed = await driver.sweep()
        assert removed == Owned(
            links=(link().host_ifname,),
            pins=(C1,),
            addresses=NET.addresses,
            routes=("10.244.0.0/24", "fd00:10:244::/64"),
        )
        assert not await driver.list_owned()
        assert not await driver.sweep()

    case.play(book)


@pytest.mark.root
def test_the_kernel_keeps_what_is_not_ours(tmp_path: Path) -> None:
    with lab() as spaces:
        node = spaces.add("node")
        ip(node, "link", "add", "other0", "type", "veth", "peer", "name", "other1")
        ip(node, "addr", "add", "192.0.2.77/32", "dev", "lo")
        ip(node, "link", "set", "other0", "up")
        ip(node, "route", "add", "198.51.100.0/24", "dev", "other0")

        async def main() -> None:
            driver = KernelLinks(tmp_path, node_netns=node)
            await driver.apply_node(NET)
            await driver.sweep()
            await driver.close()

        asyncio.run(main())
        assert "other0" in ip(node, "link")
        assert "192.0.2.77" in ip(node, "addr")
        assert "198.51.100.0/24" in ip(node, "route")


@pytest.mark.root
def test_the_nodes_own_namespace_is_no_pod(tmp_path: Path) -> None:
    with lab() as spaces:
        node = spaces.add("node")

        async def main() -> None:
            driver = KernelLinks(tmp_path, node_netns=node)
            with pytest.raises(NetnsError, match="the node's own"):
                await driver.create(link(), node)
            with pytest.raises(NetnsError, match="not a network namespace"):
                await driver.create(link(), "/etc/hostname")
            await driver.close()

        asyncio.run(main())


@pytest.mark.root
def test_no_end_has_a_reverse_path_check_also_where_the_machine_has_it_on_nor_ipv6_without_an_address(
    tmp_path: Path,
) -> None:
    with lab() as spaces:
        node, pod = spaces.add("node"), spaces.add("pod")
        for space in (node, pod):
            for scope in ("default", "all", "lo"):
                in_netns(space, partial(Path(f"/proc/sys/net/ipv4/conf/{scope}/rp_filter").write_text, "1"))

        async def main() -> None:
            driver = KernelLinks(tmp_path, node_netns=node)
            await driver.create(link(), pod)
            await driver.close()

        asyncio.run(main())
        conf = Path("/proc/sys/net")
        assert ip(pod, "-6", "-o", "address", "show", "dev", "eth0") == ""
        name = link().host_ifname
        assert in_netns(node, (conf / f"ipv4/conf/{name}/rp_filter").read_text) == "0\n"
        assert in_netns(node, (conf / f"ipv6/conf/{name}/addr_gen_mode").read_text) == "1\n"
        assert {in_netns(pod, (conf / f"ipv4/conf/{n}/rp_filter").read_text) for n in ("all", "lo", "eth0")} == {"0\n"}
        assert in_netns(pod, (conf / "ipv6/conf/eth0/addr_gen_mode").read_text) == "1\n"


@pytest.mark.root
def test_with_an_address_of_ipv6_there_is_no_other_and_nothing_of_it_is_tentative(tmp_path: Path) -> None:
    with lab() as spaces:
        node, pod = spaces.add("node"), spaces.add("pod")
        wanted = link(C1, "10.244.0.5", "fd00:10:244::5")

        async def main() -> None:
            driver = KernelLinks(tmp_path, node_netns=node)
            await driver.apply_node(NET)
            await driver.create(wanted, pod)
            await driver.open(wanted, pod)
            await driver.close()

        asyncio.run(main())
        lines = ip(pod, "-6", "-o", "address", "show", "dev", "eth0").splitlines()
        assert [line.split()[3] for line in lines] == ["fd00:10:244::5/128"]
        assert "tentative" not in lines[0]
        assert ip(node, "-6", "-o", "address", "show", "dev", wanted.host_ifname) == ""


@pytest.mark.root
def test_the_mtu_is_that_of_the_default_route(tmp_path: Path) -> None:
    with lab() as spaces:
        node = spaces.add("node")

        async def main() -> list[int]:
            driver = KernelLinks(tmp_path, node_netns=node)
            found = [await driver.underlay_mtu()]
            ip(node, "link", "add", "up0", "type", "veth", "peer", "name", "up1")
            for name, mtu in (("up0", "1380"), ("up1", "1300")):
                ip(node, "link", "set", name, "mtu", mtu, "up")
            found.append(await driver.underlay_mtu())
            ip(node, "route", "add", "default", "dev", "up0")
            found.append(await driver.underlay_mtu())
            await driver.close()
            return found

        assert asyncio.run(main()) == [1500, 1300, 1380]


SHAPED = LinkOptions(
    mac="02:00:00:00:00:77",
    shaping=Shaping(ingress_rate=8_000_000, ingress_burst=800_000, egress_rate=16_000_000, egress_burst=1_600_000),
    from_loopback=True,
)


def shaped(options: LinkOptions = SHAPED) -> PodLink:
    return compile_pod_link(C1, "eth0", addresses=("10.244.0.5",), host=HOST, options=options)


def test_a_link_with_limits_a_mac_address_and_ports_on_loopback_is_as_it_should_be(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        await driver.create(shaped(), case.pods[0])
        await driver.open(shaped(), case.pods[0])
        assert await driver.check(shaped(), case.pods[0]) == ()

    case.play(book)


def test_missing_limits_and_a_missing_way_back_to_loopback_are_named(case: Case) -> None:
    async def book(driver: LinkDriver) -> None:
        plain = shaped(LinkOptions(mac=SHAPED.mac))
        await driver.create(plain, case.pods[0])
        await driver.open(plain, case.pods[0])
        found = await driver.check(shaped(), case.pods[0])
        assert [text.partition(" ")[2] for text in found] == [
            "is limited to no bit/s, not 8000000 bit/s",
            "lacks the setting route_localnet, which host ports on 127.0.0.1 need",
            "is limited to no bit/s, not 16000000 bit/s",
        ]

    case.play(book)
