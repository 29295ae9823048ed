"""The agent is killed before every single thing that it does to kernel and disk; nothing is left, nothing given twice.

The steps are found by watching the process (`killing`), not listed: a new one is swept without a change here.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from killing import Row, Watch, killed_before
from netns.podlab import ip, lab
from netns.sweeplab import SweptNode, swept_node, until_same
from tandem.ipam.store import read_attachments
from unit.tandem_cni.courier import Done

pytestmark = pytest.mark.root
FEWEST = 8
"""A sweep with fewer steps than this did not see what it should."""
FIRST, SECOND = "first", "second"
JOURNAL = "pwrite64 ipam.db-wal"
"""One transaction is several writes: the first sweep kills between them, the others before the first."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SweptNode]:
    with lab() as spaces, swept_node(tmp_path, spaces) as made:
        for name in (FIRST, SECOND):
            ip(spaces.add(name), "link", "set", "lo", "up")
        made.start()
        yield made


def netns(node: SweptNode, name: str) -> str:
    return node.spaces.path(name)


def address(done: Done) -> str:
    assert done.status == 0, done.out
    found: str = done.answer["ips"][0]["address"]
    return found


def sweep(node: SweptNode, case: Callable[[int], Watch]) -> list[str]:
    """`case` for each step, until nobody was killed; after each everything must be as before. The steps."""
    pods = (netns(node, FIRST), netns(node, SECOND))
    before = node.picture(*pods)
    for step in itertools.count():
        watch = case(step)
        until_same(node, before, *pods)
        if not watch.killed:
            assert len(watch.steps) >= FEWEST, watch.steps
            return watch.steps
    raise AssertionError


def restarted(node: SweptNode, watch: Watch) -> None:
    if watch.killed:
        node.ended()
        node.start()


def until_quiet(node: SweptNode, watch: Watch) -> None:
    """What DEL leaves to the background goes on being watched."""
    deadline = time.monotonic() + 20
    while not watch.killed and read_attachments(node.directory / "ipam.db"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_add_killed_at_any_step_leaves_nothing_to_a_del_without_namespace_and_a_new_sandbox(
    node: SweptNode,
) -> None:
    def case(step: int) -> Watch:
        old, new = f"old{step}", f"new{step}"
        with killed_before(node.pid, step) as watch:
            done = node.cni("ADD", old, netns(node, FIRST))
        assert (done.status, done.code if done.status else 0) == ((1, 11) if watch.killed else (0, 0))
        restarted(node, watch)
        # The runtime gave up on the old sandbox; kubelet's order is the new one first, or the old one's end first.
        given = address(node.cni("ADD", new, netns(node, SECOND)))
        alive = {a for one in read_attachments(node.directory / "ipam.db") for a in one.addresses}
        assert given.removesuffix("/32") in alive
        assert node.cni("DEL", old, "").status == 0
        assert node.cni("DEL", new, netns(node, SECOND)).status == 0
        return watch

    assert {"mount", "netlink 16"} <= set(sweep(node, case))


def test_an_add_killed_at_any_step_can_be_repeated_in_the_same_sandbox(node: SweptNode) -> None:
    def case(step: int) -> Watch:
        pod, container = netns(node, FIRST), f"c{step}"
        with killed_before(node.pid, step, only=Row(JOURNAL)) as watch:
            done = node.cni("ADD", container, pod)
        restarted(node, watch)
        if watch.killed:
            done = node.cni("ADD", container, pod)
            if done.status:  # killed between the last step and the answer: there is a whole attachment
                assert done.code == 100
                assert node.cni("DEL", container, pod).status == 0
                done = node.cni("ADD", container, pod)
        assert node.cni("CHECK", container, pod, prevResult=done.answer).out == ""
        assert node.cni("DEL", container, pod).status == 0
        return watch

    sweep(node, case)


def test_the_address_of_an_add_killed_at_any_step_cools_down_once_anybody_may_have_seen_it(node: SweptNode) -> None:
    seen: list[int] = []

    def case(step: int) -> Watch:
        pod, container = netns(node, FIRST), f"c{step}"
        with killed_before(node.pid, step, only=Row(JOURNAL)) as watch:
            node.cni("ADD", container, pod)
        held = [a for one in read_attachments(node.directory / "ipam.db") for a in one.addresses]
        routes = ip(node.netns, "route") + ip(node.netns, "-6", "route")
        restarted(node, watch)
        assert node.cni("DEL", container, "").status == 0
        assert node.cni("DEL", container, "").status == 0  # waits for all of it
        for address in (a for a in held if f"{a} dev td" in routes):
            seen.append(step)
            done = node.cni("ADD", f"n{step}", netns(node, SECOND), runtimeConfig={"ips": [address]})
            assert done.status == 1, (step, address, watch.steps[-1])
            assert "cools down" in done.answer["msg"]
        return watch

    sweep(node, case)
    assert len(set(seen)) >= FEWEST // 2


@pytest.mark.parametrize("way", ["with", "without"])
def test_a_del_killed_at_any_step_is_finished_and_nothing_is_left(node: SweptNode, way: str) -> None:
    """The courier tells success whatever happens to the agent: what was begun, or queued, is done at the next start."""

    def case(step: int) -> Watch:
        pod, container = netns(node, FIRST), f"c{step}"
        given = address(node.cni("ADD", container, pod))
        with killed_before(node.pid, step, only=Row(JOURNAL)) as watch:
            assert node.cni("DEL", container, pod if way == "with" else "").status == 0
            until_quiet(node, watch)
        restarted(node, watch)
        again = address(node.cni("ADD", f"n{step}", pod))
        assert again != given
        assert node.cni("DEL", container, "").status == 0
        assert node.cni("DEL", f"n{step}", pod).status == 0
        return watch

    assert {"umount2", "unlink"} <= set(sweep(node, case))


def test_a_gc_killed_at_any_step_is_finished_by_the_next_and_spares_what_is_valid(node: SweptNode) -> None:
    kept = node.cni("ADD", "kept", netns(node, SECOND)).answer
    valid = {"cni.dev/valid-attachments": [{"containerID": "kept", "ifname": "eth0"}]}

    def case(step: int) -> Watch:
        container = f"c{step}"
        address(node.cni("ADD", container, netns(node, FIRST)))
        with killed_before(node.pid, step, only=Row(JOURNAL)) as watch:
            done = node.cni("GC", "", "", **valid)
        assert done.status == (1 if watch.killed else 0), done.out
        restarted(node, watch)
        assert node.cni("GC", "", "", **valid).status == 0
        return watch

    sweep(node, case)
    assert node.cni("CHECK", "kept", netns(node, SECOND), prevResult=kept).out == ""


@pytest.mark.parametrize("lost", ["journal", "journal and copies"])
def test_a_start_killed_at_any_step_while_it_reads_what_is_left_of_its_records_gives_no_address_too_soon(
    node: SweptNode, lost: str
) -> None:
    pod, other = netns(node, FIRST), netns(node, SECOND)
    held = node.cni("ADD", "held", pod).answer

    def case(step: int) -> Watch:
        gone = address(node.cni("ADD", f"gone{step}", other)).removesuffix("/32")
        for _ in range(2):  # the second waits for all of it
            assert node.cni("DEL", f"gone{step}", other).status == 0
        node.kill()
        for path in node.directory.glob("ipam.db*" if lost == "journal" else "ipam.*"):
            path.unlink()
        node.hold()
        deadline = time.monotonic() + 20
        with killed_before(node.pid, step, only=Row(JOURNAL)) as watch:
            node.go()
            while not watch.killed and not (node.directory / "cni.sock").exists():
                assert time.monotonic() < deadline, (watch.steps, (node.directory / "agent.log").read_text()[-2000:])
                time.sleep(0.001)
        restarted(node, watch)
        done = node.cni("ADD", f"new{step}", other, runtimeConfig={"ips": [gone]})
        assert done.status == 1, (step, watch.steps[-3:])
        assert "cool" in done.answer["msg"], done.out
        if lost == "journal":
            assert node.cni("CHECK", "held", pod, prevResult=held).out == "", (step, watch.steps[-3:])
        return watch

    for step in itertools.count():
        watch = case(step)
        if lost != "journal":  # every address rests: there is nothing to be had for the next round
            with closing(sqlite3.connect(node.directory / "ipam.db")) as journal, journal:
                journal.execute("delete from released")
            node.kill()
            node.start()
        if not watch.killed:
            assert len(watch.steps) >= FEWEST, watch.steps
            break


def test_a_start_killed_at_any_step_while_it_recovers_is_repeated(node: SweptNode) -> None:
    """The first agent dies in the middle of ADD; the second in the middle of undoing that and of a queued DEL.

    Between two steps in the kernel the journal is written in one piece: the other sweeps kill inside of that as well.
    """

    def case(step: int) -> Watch:
        half, gone = f"half{step}", f"gone{step}"
        address(node.cni("ADD", gone, netns(node, SECOND)))
        with killed_before(node.pid, 1, only=lambda what: what == "netlink 16") as first:
            node.cni("ADD", half, netns(node, FIRST))
        assert first.killed
        node.ended()
        assert node.cni("DEL", gone, "").status == 0
        node.hold()
        with killed_before(node.pid, step, only=lambda what: "ipam." not in what) as watch:
            node.go()
            while not watch.killed and not (node.directory / "cni.sock").exists():
                time.sleep(0.001)
        restarted(node, watch)
        return watch

    sweep(node, case)
