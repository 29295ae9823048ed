"""The MTU of pods."""

from __future__ import annotations

from tandem.compile.fabric.mtu import overhead, pod_mtu
from tandem.ir.network import Network
from unit.compile.fabric.fabricviews import view


def test_without_encapsulation_pods_have_the_underlays_mtu() -> None:
    assert (overhead(view()), pod_mtu(view(underlay_mtu=9000))) == (0, 9000)


def test_the_network_may_say_another() -> None:
    assert pod_mtu(view(network=Network(mtu=1400))) == 1400
