"""The loop between views and a DNS server, with a fake server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tandem.base.cell import Cell
from tandem.base.ids import ContainerId
from tandem.drivers.dns.fake import FakeDns
from tandem.drivers.dns.plan import Held, desired
from tandem.drivers.dns.port import DnsError
from tandem.ir.node import AttachedPod
from tandem.runtime import dns
from tandem.runtime.dns import DnsLoop, read_upstreams
from tandem.state.dns import Answers, DnsSettings, Record
from unit.compile.dns.dnsview import SHOP, service, view
from unit.podnet.playground import local_pod
from unit.runtime.looping import Looping

WEB = Record("web.shop.svc.cluster.local.", "A", "10.96.1.1")


class FakeServer:
    def __init__(self) -> None:
        self.answers = Answers()
        self.started: Cell[int] = Cell(0)
        self.trouble = ""
        self.wanted: DnsSettings | None = None

    def want(self, settings: DnsSettings) -> None:
        self.wanted = settings


class Lab(Looping):
    def __init__(self, runner: asyncio.Runner, path: Path) -> None:
        super().__init__(runner)
        self.resolv = path / "resolv.conf"
        self.resolv.write_text("nameserver 192.0.2.53\n")
        self.server, self.driver = FakeServer(), FakeDns()
        self.loop = DnsLoop(self.server, self.driver, self.resolv)

    def play(self, *steps: Callable[[], object]) -> None:
        self.run(self.loop.run, steps)

    def holds(self) -> bool:
        return self.driver.held == desired(self.server.answers) != Held()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(dns, "RETRY_SECONDS", 0.01)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with asyncio.Runner() as runner:
        yield Lab(runner, tmp_path)


def started(lab: Lab) -> Callable[[], object]:
    return lambda: lab.server.started.put(lab.server.started.value + 1)


def test_the_server_is_told_what_to_start_with_before_it_starts(lab: Lab) -> None:
    lab.play(lambda: lab.put(SHOP), lambda: lab.server.wanted is not None)
    assert lab.server.wanted is not None
    assert lab.server.wanted.addresses == ("10.96.0.10",)
    assert WEB in lab.server.answers.records
    assert lab.server.answers.upstreams == ("192.0.2.53",)
    assert lab.driver.applied == []


def test_who_may_ask_only_grows_so_that_pods_of_other_plugins_cost_one_restart(lab: Lab) -> None:
    pod = AttachedPod(
        pod=local_pod(), container_id=ContainerId("c"), addresses=("10.88.0.2",), host_ifname="", netns="/n"
    )
    behind = msgspec.structs.replace(SHOP, pods=(pod,))

    def allowed() -> tuple[str, ...]:
        return lab.server.wanted.clients if lab.server.wanted is not None else ()

    lab.play(
        lambda: lab.put(behind),
        lambda: "10.88.0.0/24" in allowed(),
        lambda: lab.put(SHOP),
        lambda: lab.views.version == 2 and lab.server.answers.records,
        lambda: None,
    )
    assert "10.88.0.0/24" in allowed()


def test_a_server_that_has_everything_is_left_alone(lab: Lab) -> None:
    lab.put(SHOP)

    def load() -> None:
        lab.driver.held = desired(lab.server.answers)

    lab.play(lambda: bool(lab.server.answers.records), load, started(lab), lambda: lab.loop._read_of == 1, lambda: None)
    assert lab.driver.applied == []


def test_a_new_view_changes_its_own_names(lab: Lab) -> None:
    lab.put(view(service("web", "10.96.1.1")))
    more = view(service("web", "10.96.1.1"), service("late", "10.96.1.7"))
    lab.play(started(lab), lab.holds, lambda: lab.put(more), lambda: len(lab.driver.applied) == 2, lab.holds)
    names = {r.name for r in lab.driver.applied[-1].front.add}
    assert names == {
        "late.shop.svc.cluster.local.",
        "_http._tcp.late.shop.svc.cluster.local.",
        "7.1.96.10.in-addr.arpa.",
    }


def test_a_name_that_a_runtime_gives_comes_and_goes_with_its_container(lab: Lab) -> None:
    pod = AttachedPod(
        pod=local_pod(),
        container_id=ContainerId("c"),
        addresses=("10.244.0.9",),
        host_ifname="",
        netns="/n",
        aliases=("db.tandem",),
    )
    lab.put(SHOP)
    name = Record("db.tandem.net.cluster.local.", "A", "10.244.0.9")
    lab.play(
        started(lab),
        lab.holds,
        lambda: lab.put(msgspec.structs.replace(SHOP, pods=(pod,))),
        lambda: name in lab.server.answers.records,
        lab.holds,
        lambda: lab.put(SHOP),
        lambda: name not in lab.server.answers.records,
        lab.holds,
    )


def test_a_server_that_started_again_is_read_again(lab: Lab) -> None:
    lab.put(SHOP)

    def forget() -> None:
        lab.driver.held = Held()

    lab.play(started(lab), lab.holds, forget, started(lab), lab.holds)


def test_the_list_of_name_servers_is_followed(lab: Lab) -> None:
    lab.put(SHOP)
    lab.play(
        started(lab),
        lab.holds,
        lambda: lab.resolv.write_text("nameserver 192.0.2.54\n"),
        lambda: lab.driver.held.upstreams == ("192.0.2.54",),
    )
    assert not lab.driver.applied[-1].front


def test_a_failure_is_tried_again_and_told_when_it_lasts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "PATIENCE", 0.0)
    lab.put(SHOP)
    told: list[str] = []

    def fail() -> bool:
        lab.driver.fail_next(DnsError("no memory"))
        told.extend(lab.loop.failed.values())
        return bool(told)

    lab.play(
        lambda: lab.driver.fail_next(DnsError("no memory")), started(lab), fail, lab.holds, lambda: not lab.loop.failed
    )
    assert set(told) == {"no memory"}


def test_our_own_address_is_never_an_upstream(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(
        "# comment\nsearch x\nnameserver 10.96.0.10\nnameserver 192.0.2.53\nnameserver 192.0.2.53\nnameserver\n"
        "nameserver fe80::1%eth0\nnameserver nonsense\n"
    )
    assert read_upstreams(tmp_path / "resolv.conf", own=("10.96.0.10",)) == ("192.0.2.53",)


def test_a_host_without_name_servers_is_no_error(tmp_path: Path) -> None:
    assert read_upstreams(tmp_path / "none", own=("10.96.0.10",)) == ()
