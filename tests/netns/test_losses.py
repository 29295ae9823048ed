"""What a node may lose: its kernel's state (a reboot), its journal, the room on its disk; on a real kernel."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from netns.podlab import Lab, ip, lab, unmount_all
from netns.sweeplab import SweptNode, swept_node, until_same
from tandem.ipam.store import read_attachments

pytestmark = pytest.mark.root
ROOM = 1 << 20


@pytest.fixture
def spaces() -> Iterator[Lab]:
    with lab() as made:
        yield made


@pytest.fixture
def node(tmp_path: Path, spaces: Lab) -> Iterator[SweptNode]:
    """On a disk of its own, with little room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", tmp_path], check=True)
    try:
        with swept_node(tmp_path, spaces) as made:
            made.start()
            yield made
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def sandbox(node: SweptNode, name: str) -> str:
    path = node.spaces.add(name)
    ip(path, "link", "set", "lo", "up")
    return path


def attached(node: SweptNode) -> list[str]:
    return [a.container_id for a in read_attachments(node.directory / "ipam.db")]


def reboot(node: SweptNode, *pods: str) -> None:
    """The kernel begins anew; the files are as they were."""
    node.kill()
    for pin in (node.directory / "netns").iterdir():
        subprocess.run(["umount", pin], check=True)
    for pod in pods:
        node.spaces.remove(pod)
    for line in ip(node.netns, "-o", "link").splitlines():
        name = line.split(": ")[1].partition("@")[0]
        if name.startswith("td"):  # unless it has gone with its pod's namespace meanwhile
            subprocess.run(["ip", "-n", Path(node.netns).name, "link", "del", name], check=False, capture_output=True)
    ip(node.netns, "route", "flush", "proto", "116")


def test_after_a_reboot_with_the_journal_kept_no_address_is_held_by_the_dead(node: SweptNode) -> None:
    before = node.picture()
    first, address, _ = node.add("one")
    node.add("two")
    reboot(node, "one", "two")
    node.start()
    until_same(node, before)
    # kubelet ends the sandboxes that it knew, and makes new ones for the same pods.
    for container, netns in (("one", ""), ("two", first)):
        assert node.cni("DEL", container, netns).status == 0
    _, again, _ = node.add("three")
    assert again != address
    assert node.cni("DEL", "three", "").status == 0
    until_same(node, before)


def test_after_a_reboot_with_every_record_lost_the_agent_serves_and_nothing_is_left(node: SweptNode) -> None:
    before = node.picture()
    node.add("one")
    reboot(node, "one")
    for path in node.directory.glob("ipam.*"):
        path.unlink()
    node.start()
    until_same(node, before)


def test_a_pod_whose_link_was_taken_away_by_hand_is_not_taken_for_dead(node: SweptNode) -> None:
    netns, _, result = node.add("one")
    ip(node.netns, "link", "del", result["interfaces"][0]["name"])
    node.kill()
    node.start()
    assert node.cni("CHECK", "one", netns, prevResult=result).code == 103
    assert attached(node) == ["one"]


@pytest.mark.parametrize("damaged", [False, True], ids=["lost", "damaged"])
def test_pods_outlive_their_journal_and_no_address_is_given_twice(node: SweptNode, *, damaged: bool) -> None:
    first = sandbox(node, "one")
    before = node.picture(first)
    result = node.cni("ADD", "one", first).answer
    node.kill()
    for path in node.directory.glob("ipam.db*"):
        if damaged and path.name == "ipam.db":
            path.write_bytes(b"certainly no database" * 400)
        else:
            path.unlink()
    node.start()
    assert node.cni("CHECK", "one", first, prevResult=result).out == ""
    _, address, _ = node.add("two")
    assert f"{address}/32" != result["ips"][0]["address"]
    assert node.cni("DEL", "two", "").status == 0
    assert node.cni("DEL", "one", first).status == 0
    until_same(node, before, first)


def all_rest(node: SweptNode, netns: str) -> bool:
    done = node.cni("ADD", "two", netns)
    return done.code == 101 and "all cool down, for 30 s more" in done.answer["msg"]


@pytest.mark.parametrize("again", [False, True], ids=["once", "killed again"])
def test_after_a_lost_directory_every_address_rests_also_if_no_pod_was_left(node: SweptNode, *, again: bool) -> None:
    pod, _, _ = node.add("one")
    for _ in range(2):  # the second waits for all of the first
        assert node.cni("DEL", "one", pod).status == 0
    node.kill()
    for path in node.directory.glob("ipam.*"):
        path.unlink()
    node.start()
    if again:
        node.kill()
        node.start()
    assert all_rest(node, sandbox(node, "two"))


def test_a_lost_directory_gives_no_address_twice_and_leaves_nothing(node: SweptNode) -> None:
    """Nobody knows any more what the pods were: they are cut off, rather than open."""
    first = sandbox(node, "one")
    before = node.picture(first)
    result = node.cni("ADD", "one", first).answer
    node.kill()
    unmount_all(node.directory / "netns")
    for path in node.directory.glob("ipam.*"):
        path.unlink()
    node.start()
    assert result["interfaces"][0]["name"] not in ip(node.netns, "link")
    assert all_rest(node, sandbox(node, "two"))
    assert node.cni("DEL", "one", first).status == 0
    until_same(node, before, first)


def test_an_agent_whose_monotonic_clock_is_far_ahead_goes_on_and_gives_no_address_twice(node: SweptNode) -> None:
    """That is time that went by, for all that anybody can tell: what cooled down has done so."""
    pod, kept, result = node.add("one")
    gone, _, _ = node.add("two")
    node.kill()
    node.set_clock(ahead=864_000)
    node.start()
    assert node.cni("CHECK", "one", pod, prevResult=result).out == ""
    for _ in range(2):  # the second waits for all of the first
        assert node.cni("DEL", "two", gone).status == 0
    asked = [node.cni("ADD", f"n{n}", node.spaces.add(f"n{n}")).answer["ips"][0]["address"] for n in range(3)]
    assert len({*asked, f"{kept}/32"}) == 4


def test_an_agent_whose_monotonic_clock_goes_back_goes_on_and_addresses_cool_down_from_then(node: SweptNode) -> None:
    """In a time namespace; the wall clock of one process cannot be set."""
    node.set_clock(ahead=864_000)
    node.start()
    pod, kept, result = node.add("one")
    gone, given, _ = node.add("two")
    for _ in range(2):  # the second waits for all of the first
        assert node.cni("DEL", "two", gone).status == 0
    node.set_clock(ahead=0)
    node.start()
    assert node.cni("CHECK", "one", pod, prevResult=result).out == ""
    again = node.cni("ADD", "two", gone)
    assert again.answer["ips"][0]["address"] not in {f"{kept}/32", f"{given}/32"}
    with closing(sqlite3.connect(node.directory / "ipam.db")) as journal:
        (since,) = journal.execute("select monotonic from released where address = ?", (given,)).fetchone()
    assert since <= time.monotonic()


def fill(node: SweptNode) -> None:
    """No byte more fits on the disk."""
    with (node.directory / "filler").open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def make_room(node: SweptNode) -> None:
    (node.directory / "filler").unlink()


def test_on_a_full_disk_add_is_refused_in_words_and_leaves_nothing(node: SweptNode) -> None:
    pod = sandbox(node, "one")
    before = node.picture(pod)
    fill(node)
    done = node.cni("ADD", "one", pod)
    assert done.code == 11
    assert "ipam.db: database or disk is full" in done.answer["msg"]
    assert node.picture(pod) == before
    make_room(node)
    assert node.cni("ADD", "one", pod).status == 0


@pytest.mark.parametrize("killed", [False, True])
def test_a_del_on_a_full_disk_takes_all_away_and_its_address_is_free_when_there_is_room(
    node: SweptNode, *, killed: bool
) -> None:
    pod = sandbox(node, "one")
    before = [line for line in node.picture(pod) if not line.startswith("attachment")]
    node.cni("ADD", "one", pod)
    fill(node)
    assert node.cni("DEL", "one", pod).status == 0
    left = [line for line in node.picture(pod) if not line.startswith("attachment")]
    assert left == before
    if killed:
        node.kill()
    make_room(node)
    if killed:
        node.start()
    second = node.cni("ADD", "two", pod)
    assert second.status == 0, second.out
    assert attached(node) == ["two"]


def test_a_del_that_can_be_neither_done_nor_queued_is_not_told_as_done(node: SweptNode) -> None:
    pod, _, _ = node.add("one")
    node.kill()
    fill(node)
    done = node.cni("DEL", "one", pod)
    assert (done.status, done.code) == (1, 11)
    assert "cannot be queued" in done.answer["msg"]
    make_room(node)
    node.start()
    assert attached(node) == ["one"]
    assert node.cni("DEL", "one", pod).status == 0


def test_an_agent_that_starts_on_a_full_disk_serves_del_and_refuses_add(node: SweptNode) -> None:
    pod, _, result = node.add("one")
    node.kill()
    fill(node)
    node.start()
    assert node.cni("CHECK", "one", pod, prevResult=result).status == 0
    assert node.cni("ADD", "two", node.spaces.add("two")).code == 11
    assert node.cni("DEL", "one", pod).status == 0
    assert node.cni("DEL", "one", pod).status == 0  # waits for all of it
    assert node.traces() == []
