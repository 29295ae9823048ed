"""Two hundred couriers at once, some of them asking twice or for nothing, and an agent that dies among them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from netns.podlab import ip, lab
from netns.sweeplab import SweptNode, swept_node, until_same
from tandem.ipam.store import read_attachments
from unit.tandem_cni.courier import Done

pytestmark = pytest.mark.root
PODS = 200
SOME = 20


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SweptNode]:
    with lab() as spaces, swept_node(tmp_path, spaces) as made:
        spaces.add_many([f"p{n}" for n in range(PODS + SOME)])
        made.start()
        yield made


class Storm:
    """Couriers, all on their way at the same time."""

    def __init__(self, node: SweptNode) -> None:
        self._node = node
        self._threads = ThreadPoolExecutor(2 * PODS + 4 * SOME)

    def send(self, verb: str, container: str, number: int = -1) -> Future[Done]:
        netns = self._node.spaces.path(f"p{number}") if number >= 0 else ""
        return self._threads.submit(self._node.cni, verb, container, netns)

    def close(self) -> None:
        self._threads.shutdown()


@pytest.fixture
def storm(node: SweptNode) -> Iterator[Storm]:
    made = Storm(node)
    yield made
    made.close()


def routes(node: SweptNode) -> list[str]:
    return [line.split()[0] for line in ip(node.netns, "route").splitlines() if "dev td" in line]


def test_two_hundred_adds_and_dels_at_once_leave_nothing_and_give_no_address_twice(
    node: SweptNode, storm: Storm
) -> None:
    seen = [node.spaces.path(f"p{n}") for n in range(0, PODS, 50)]
    for pod in seen:
        ip(pod, "link", "set", "lo", "up")
    before = node.picture(*seen)

    adds = [storm.send("ADD", f"c{n}", n) for n in range(PODS)]
    twice = [storm.send("ADD", f"c{n}", n) for n in range(SOME)]
    nothing = [storm.send("DEL", f"unknown{n}", n if n % 2 else -1) for n in range(SOME)]
    assert {f.result().status for f in nothing} == {0}
    answers = [f.result() for f in adds + twice]
    given = [a.answer["ips"][0]["address"] for a in answers if a.status == 0]
    assert (len(given), len(set(given))) == (PODS, PODS)
    assert {a.code for a in answers if a.status} == {100}
    assert sorted(routes(node)) == sorted(a.removesuffix("/32") for a in given)

    dels = [storm.send("DEL", f"c{n}", n if n % 2 else -1) for n in range(PODS)]
    more = [storm.send("ADD", f"d{n}", PODS + n) for n in range(SOME)]
    assert {f.result().status for f in dels} == {0}
    others = [f.result().answer["ips"][0]["address"] for f in more]
    assert len(set(others) - set(given)) == SOME
    for future in [storm.send("DEL", f"d{n}", -1) for n in range(SOME)]:
        assert future.result().status == 0
    until_same(node, before, *seen)


def test_an_agent_that_dies_among_adds_and_dels_loses_and_leaves_nothing(node: SweptNode, storm: Storm) -> None:
    before = node.picture()
    half = PODS // 2
    given = [f.result().answer["ips"][0]["address"] for f in [storm.send("ADD", f"c{n}", n) for n in range(half)]]
    dels = [storm.send("DEL", f"c{n}", n) for n in range(half)]
    adds = [storm.send("ADD", f"d{n}", half + n) for n in range(half)]
    deadline = time.monotonic() + 30
    while not any(f.done() for f in dels) or not any(f.done() for f in adds):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    node.kill()
    node.start()
    assert {f.result().status for f in dels} == {0}, "told, or queued"
    answers = {f"d{n}": f.result() for n, f in enumerate(adds)}
    assert {a.code for a in answers.values() if a.status} <= {11}
    again = {c: storm.send("ADD", c, half + int(c[1:])) for c, a in answers.items() if a.status}
    for container, future in again.items():
        answers[container] = future.result()
    # The answer of an ADD that was done may have been lost with the agent: the runtime deletes, and asks anew.
    lost = [c for c, a in answers.items() if a.status]
    assert {answers[c].code for c in lost} <= {100}
    for container in lost:
        assert node.cni("DEL", container, "").status == 0
        answers[container] = node.cni("ADD", container, node.spaces.path(f"p{half + int(container[1:])}"))
    addresses = [a.answer["ips"][0]["address"] for a in answers.values()]
    assert len(set(addresses)) == half
    assert not set(addresses) & set(given), "none was given before its cool-down"
    for future in [storm.send("DEL", c, -1) for c in answers]:
        assert future.result().status == 0
    until_same(node, before)
    assert read_attachments(node.directory / "ipam.db") == ()
