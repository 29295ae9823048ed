"""The table of tracked connections: its size, and who fills it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tandem.base.problems import DriverError
from tandem.observe.conntrack import Connection
from tandem.runtime import connections, sysctls
from tandem.runtime.connections import ConnectionTable, Fill, fill

NAMES = ("net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_buckets")
PODS = {"10.244.0.5": "shop/web", "10.244.0.6": "shop/db"}


def connection(source: str, destination: str) -> Connection:
    return Connection(
        source=source, destination=destination, protocol="TCP", port=80, dialled=destination, original=b"", family=2
    )


class Table:
    """One whose figures a test says."""

    def __init__(self) -> None:
        self.now = Fill(entries=10, limit=1000)
        self.grown: list[Mapping[str, str]] = []
        self.refuse = False
        self.table = ConnectionTable(self._grow, lambda: PODS, lambda: self.now)

    async def _grow(self, wanted: Mapping[str, str]) -> None:
        self.grown.append(wanted)
        if self.refuse:
            raise DriverError("Permission denied")

    def play(self, *steps: tuple[Callable[[], object], Callable[[], object]]) -> None:
        async def scene() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.table.run())
                for does, holds in steps:
                    await asyncio.sleep(0.02)
                    does()
                    while not holds():  # noqa: ASYNC110 - what holds is told by no event
                        await asyncio.sleep(0.005)
                running.cancel()

        asyncio.run(scene())

    def set(self, entries: int, dropped: int = 0) -> None:
        self.now = Fill(entries=entries, limit=1000, dropped=dropped)

    def told(self) -> str:
        return "".join(self.table.problems())


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.005)
    found = [connection("10.244.0.5", "192.0.2.1")] * 3 + [connection("192.0.2.9", "10.244.0.6")]
    monkeypatch.setattr(connections, "sample", lambda _: found)
    monkeypatch.setattr(sysctls, "wanted_for_connections", lambda _: {NAMES[0]: "131072"})
    return Table()


def test_it_is_told_before_it_is_full_with_the_pod_that_has_most_and_no_longer(table: Table) -> None:
    table.play(
        (lambda: table.set(899), lambda: not table.told()), (lambda: table.set(900), lambda: "%" in table.told())
    )
    assert "900 of 1000 tracked connections" in table.told()
    assert table.told().endswith("; pod shop/web has 75 % of them")
    table.play((lambda: table.set(3), lambda: not table.told()))


def test_packets_that_found_no_room_are_told_whatever_the_figures(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.2)
    table.set(500, dropped=7)
    table.play((lambda: None, lambda: not table.told()), (lambda: table.set(500, dropped=9), table.told))
    assert "; 2 packets found no room in the last" in table.told()


def test_whose_connections_they_are_may_be_unknown(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "sample", lambda _: [connection("192.0.2.9", "192.0.2.8")])
    table.play((lambda: table.set(950), lambda: "no pod of this node has 100 %" in table.told()))

    def refused(_: int) -> list[Connection]:
        raise DriverError("conntrack: no")

    monkeypatch.setattr(connections, "sample", refused)
    other = Table()
    other.play((lambda: other.set(950), lambda: "not known: conntrack: no" in other.told()))


def test_it_is_enlarged_once_and_a_refusal_is_no_problem(table: Table) -> None:
    table.refuse = True
    table.play((lambda: None, lambda: table.grown), (lambda: table.set(5), lambda: True))
    assert table.grown == [{NAMES[0]: "131072"}]
    assert table.told() == ""


def test_nothing_is_done_where_nothing_is_tracked(table: Table) -> None:
    table.now = Fill()
    table.play((lambda: None, lambda: True))
    assert (table.grown, table.told()) == ([], "")


def test_figures_are_those_of_the_kernel(table: Table) -> None:
    registry = CollectorRegistry()
    registry.register(table.table)
    table.set(12, dropped=3)
    text = generate_latest(registry).decode()
    for line in (
        "tracked_connections 12.0",
        "tracked_connections_limit 1000.0",
        "tracked_connections_dropped_total 3.0",
    ):
        assert f"tandem_{line}\n" in text


def test_counters_of_all_processors_are_added(tmp_path: Path) -> None:
    assert fill(tmp_path, tmp_path / "none") == Fill()
    for name, value in (("count", "77"), ("max", "88")):
        (tmp_path / f"nf_conntrack_{name}").write_text(f"{value}\n")
    assert fill(tmp_path, tmp_path / "none") == Fill(entries=77, limit=88)
    (tmp_path / "stat").write_text(
        "entries  found drop early_drop\n0000004d 00000000 0000000a 00000001\n0 0 00000010 0\n"
    )
    assert fill(tmp_path, tmp_path / "stat") == Fill(entries=77, limit=88, dropped=26)


def test_the_kernel_tells_of_its_own_table() -> None:
    found = fill()
    assert found.limit == int(Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())


@pytest.mark.parametrize(
    ("has", "processors", "expected"),
    [
        (("65536", "65536"), 2, {NAMES[0]: "131072"}),
        (("65536", "16384"), 2, {NAMES[0]: "131072", NAMES[1]: "32768"}),
        (("262144", "262144"), 2, {}),
        (("262144", "262144"), 16, {NAMES[0]: "524288"}),
        (("0", "65536"), 2, {}),
    ],
)
def test_room_is_made_as_kube_proxy_does_and_never_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: tuple[str, str], processors: int, expected: dict[str, str]
) -> None:
    monkeypatch.setattr(sysctls, "SYSCTL", tmp_path)
    assert sysctls.wanted_for_connections(processors) == {}, "a kernel that tracks nothing yet"
    for name, value in zip(NAMES, has, strict=True):
        path = tmp_path / name.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    assert sysctls.wanted_for_connections(processors) == expected
