"""The fast path driver's promises, kept by the fake and by the kernel alike."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import pytest

from netns.podlab import ip, space
from tandem.drivers.bpf.fake import FakeFastPath, FakeLinks
from tandem.drivers.bpf.plan import plan
from tandem.drivers.bpf.port import Delta, FastPathDriver, Held
from tandem.drivers.bpf.real import KernelFastPath
from tandem.state.fastpath import FastEnd

pytestmark = pytest.mark.root

ONE = FastEnd(address="10.244.0.2", host_ifname="tdone", mac="02:00:00:00:00:01")
ONE6 = FastEnd(address="fd00::2", host_ifname="tdone", mac="02:00:00:00:00:01")
TWO = FastEnd(address="10.244.0.3", host_ifname="tdtwo", mac="02:00:00:00:00:02")
ABSENT = FastEnd(address="10.244.0.9", host_ifname="tdabsent", mac="02:00:00:00:00:09")


@dataclass
class Scene:
    """A node with the links `tdone` and `tdtwo`; `make`: drivers of it, the second of which is a restarted agent's."""

    make: Callable[[], FastPathDriver]
    remove: Callable[[str], None]
    strip: Callable[[str], None]
    """Take the filter off a link."""

    def change(self, driver: FastPathDriver, wanted: Collection[FastEnd]) -> Held:
        async def work() -> Held:
            await driver.apply(plan(await driver.read(), wanted))
            return await driver.read()

        return asyncio.run(work())


@pytest.fixture(params=["fake", "real"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    if request.param == "fake":
        links = FakeLinks(there={"tdone", "tdtwo"})
        yield Scene(lambda: FakeFastPath(links), links.there.discard, links.filtered.discard)
        return
    made: list[KernelFastPath] = []

    def make() -> KernelFastPath:
        made.append(KernelFastPath(f"/run/netns/{name}"))
        return made[-1]

    def delete(link: str) -> None:
        ip(name, "link", "del", link)

    def strip(link: str) -> None:
        subprocess.run(["tc", "-n", name, "qdisc", "del", "dev", link, "clsact"], check=True)

    with space() as name:
        for link in ("tdone", "tdtwo"):
            ip(name, "link", "add", link, "type", "veth", "peer", "name", f"{link}p")
        try:
            yield Scene(make, delete, strip)
        finally:
            for driver in made:
                driver.close()


def test_nothing_is_held_at_first(scene: Scene) -> None:
    driver = scene.make()
    assert asyncio.run(driver.read()) == Held()
    assert asyncio.run(driver.packets()) == 0


def test_what_is_applied_is_read_and_needs_no_more_change(scene: Scene) -> None:
    driver = scene.make()
    for wanted in ((ONE, ONE6), (ONE, TWO, ONE6), (TWO,), (), (ONE, ONE6)):
        held = scene.change(driver, wanted)
        assert held == Held(ends=frozenset(wanted), links=frozenset(end.host_ifname for end in wanted))
        assert not plan(held, wanted)


def test_links_that_are_not_there_are_passed_over(scene: Scene) -> None:
    held = scene.change(scene.make(), (ONE, ABSENT))
    assert held == Held(ends=frozenset({ONE}), links=frozenset({"tdone"}))
    assert plan(held, (ONE, ABSENT)) == Delta(put=(ABSENT,), attach=("tdabsent",))


def test_a_link_that_went_is_let_go(scene: Scene) -> None:
    driver = scene.make()
    scene.change(driver, (ONE, TWO))
    scene.remove("tdone")
    assert scene.change(driver, (TWO,)) == Held(ends=frozenset({TWO}), links=frozenset({"tdtwo"}))


def test_a_second_driver_finds_what_the_first_left_and_takes_it_over_or_off(scene: Scene) -> None:
    scene.change(scene.make(), (ONE, TWO))
    second = scene.make()
    assert asyncio.run(second.read()) == Held(earlier=frozenset({"tdone", "tdtwo"}))
    assert scene.change(second, (ONE,)) == Held(ends=frozenset({ONE}), links=frozenset({"tdone"}))
    third = scene.make()
    assert asyncio.run(third.read()) == Held(earlier=frozenset({"tdone"}))
    assert not asyncio.run(third.apply(Delta(detach=("tdabsent",))))
    assert asyncio.run(third.apply(Delta(detach=("tdone",)))), "a link goes on without"
    assert scene.change(third, ()) == Held()
    assert asyncio.run(scene.make().read()) == Held()


def test_an_address_moves_from_one_link_to_another(scene: Scene) -> None:
    driver = scene.make()
    scene.change(driver, (ONE, TWO))
    moved = FastEnd(address=ONE.address, host_ifname="tdtwo", mac=TWO.mac)
    assert scene.change(driver, (moved, TWO)).ends == {moved, TWO}


def test_a_link_that_lost_its_filter_is_told_apart_from_those_that_have_none_to_have(scene: Scene) -> None:
    driver = scene.make()
    scene.change(driver, (ONE, TWO))

    def bare() -> list[bool]:
        return [asyncio.run(driver.is_bare(name)) for name in ("tdone", "tdtwo", "tdabsent")]

    assert bare() == [False, False, False]
    scene.strip("tdone")
    assert bare() == [True, False, False]
    asyncio.run(driver.apply(Delta(drop=(ONE,), detach=("tdone",))))
    assert bare() == [False, False, False]
    scene.change(driver, (ONE, TWO))
    scene.remove("tdone")
    assert bare() == [False, False, False]
