"""What paths carry, over paths of given sizes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tandem.drivers.probe.fake import FakeProber
from tandem.runtime.paths import TRIES, carried

FAR = "10.244.2.1"


def measure(prober: FakeProber, length: int = 1450, *addresses: str) -> dict[str, int]:
    return asyncio.run(carried(prober, addresses or (FAR,), length))


def test_a_sound_path_costs_one_probe() -> None:
    prober = FakeProber(**{FAR: 1450})
    assert measure(prober) == {FAR: 1450}
    assert len(prober.calls) == 1


@pytest.mark.parametrize("size", [576, 577, 1000, 1280, 1399, 1449])
def test_a_narrow_path_is_found_to_the_byte(size: int) -> None:
    assert measure(FakeProber(**{FAR: size})) == {FAR: size}


def test_a_silent_node_carries_nothing_and_does_not_hide_the_others() -> None:
    prober = FakeProber(**{FAR: 1450, "fd00:3::1": 1300})
    assert measure(prober, 1450, FAR, "10.244.9.1", "fd00:3::1") == {FAR: 1450, "10.244.9.1": 0, "fd00:3::1": 1300}


def test_a_lost_packet_is_no_narrow_path() -> None:
    class Lossy(FakeProber):
        def echo(self, sizes: Mapping[str, int], seconds: float) -> frozenset[str]:
            found = super().echo(sizes, seconds)
            return found if len(self.calls) == TRIES else frozenset()

    assert measure(Lossy(**{FAR: 1450})) == {FAR: 1450}


def test_nobody_to_ask_is_no_probe() -> None:
    prober = FakeProber()
    assert asyncio.run(carried(prober, (), 1450)) == {}
    assert prober.calls == []
