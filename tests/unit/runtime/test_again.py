"""Which dropped packets are sent again; that it helps is tested in tests/netns/test_names_on_kernel.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from netns.nameslab import CLIENT, OTHER, policy, view_of
from tandem.base.problems import DriverError
from tandem.ir.node import NodeView
from tandem.runtime import again as module
from tandem.runtime.again import WAITS, Again
from unit.drivers.test_resend import SYN, tcp
from unit.observe.test_nflog_wire import ipv4

VIEW = view_of((CLIENT, policy("*.shop.test")), (OTHER, None))


def knowing(*addresses: str) -> NodeView:
    return msgspec.structs.replace(VIEW, learned={"*.shop.test": addresses})


def syn(source: str = "10.244.0.2", destination: str = "192.0.2.1", flags: int = SYN) -> bytes:
    return ipv4(source, destination, 6, tcp(flags))


class Lab:
    def __init__(self) -> None:
        self.time = 100.0
        self.sent: list[tuple[str, str]] = []
        self.fails = False
        self.again = Again(lambda: self.time)

    def send(self, netns: str, packet: bytes, destination: str) -> None:
        assert packet[0] == 0x45
        if self.fails:
            self.fails = False
            raise DriverError("gone")
        self.sent.append((netns, destination))

    def play(self, *steps: Callable[[], object]) -> list[tuple[str, str]]:
        """What was sent after these steps, one after the other."""

        async def main() -> None:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(self.again.run())
                for step in steps:
                    step()
                while not self.again.idle:  # noqa: ASYNC110 - a thread sends
                    await asyncio.sleep(0.001)
                running.cancel()

        asyncio.run(main())
        return self.sent


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab()
    monkeypatch.setattr(module, "send_again", made.send)
    return made


def test_a_connection_that_is_allowed_by_now_is_sent_again_out_of_its_pod(lab: Lab) -> None:
    sent = lab.play(lambda: lab.again.in_force(knowing("192.0.2.1")), lambda: lab.again.dropped(syn()))
    assert sent == [("/run/netns/client", "192.0.2.1")]


def test_one_that_is_not_allowed_yet_waits_for_the_view_that_allows_it(lab: Lab) -> None:
    sent = lab.play(
        lambda: lab.again.in_force(knowing()),
        lambda: lab.again.dropped(syn()),
        lambda: lab.again.dropped(syn(destination="192.0.2.2")),
        lambda: lab.again.in_force(knowing("192.0.2.9")),
        lambda: lab.again.in_force(knowing("192.0.2.1", "192.0.2.9")),
    )
    assert sent == [("/run/netns/client", "192.0.2.1")]


def test_after_a_moment_the_pod_tries_again_by_itself(lab: Lab) -> None:
    def later() -> None:
        lab.time += WAITS

    assert not lab.play(
        lambda: lab.again.in_force(knowing()),
        lambda: lab.again.dropped(syn()),
        later,
        lambda: lab.again.in_force(knowing("192.0.2.1")),
    )


def test_what_was_sent_again_and_dropped_again_is_not_sent_for_ever(lab: Lab) -> None:
    sent = lab.play(
        lambda: lab.again.in_force(knowing("192.0.2.1")),
        lambda: lab.again.dropped(syn()),
        lambda: lab.again.dropped(syn()),
    )
    assert len(sent) == 1


@pytest.mark.parametrize("packet", [syn("10.244.0.3"), syn("192.0.2.1", "10.244.0.2"), syn(flags=0x10), b"", b"\x45"])
def test_other_pods_and_other_packets_are_left_alone(lab: Lab, packet: bytes) -> None:
    assert not lab.play(lambda: lab.again.in_force(knowing("192.0.2.1")), lambda: lab.again.dropped(packet))


def test_before_a_view_and_without_names_nothing_is_looked_at(lab: Lab) -> None:
    plain = view_of((CLIENT, None), (OTHER, None))
    assert not lab.play(
        lambda: lab.again.dropped(syn()),
        lambda: lab.again.in_force(knowing("192.0.2.1")),
        lambda: lab.again.in_force(plain),
        lambda: lab.again.dropped(syn()),
    )


def test_what_cannot_be_sent_does_not_stop_the_others(lab: Lab) -> None:
    lab.fails = True
    sent = lab.play(
        lambda: lab.again.in_force(knowing("192.0.2.1", "192.0.2.2")),
        lambda: lab.again.dropped(syn()),
        lambda: lab.again.dropped(syn(destination="192.0.2.2")),
    )
    assert sent == [("/run/netns/client", "192.0.2.2")]
