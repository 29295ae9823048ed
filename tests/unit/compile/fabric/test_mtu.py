"""The MTU of pods."""

from __future__ import annotations

import msgspec
import pytest

from tandem.compile.fabric import FABRICS
from tandem.compile.fabric.mtu import overhead, pod_mtu, room
from tandem.ir.network import Encryption, Network
from unit.compile.fabric.fabricviews import node, view


def test_without_encapsulation_pods_have_the_underlays_mtu() -> None:
    assert (overhead(view()), pod_mtu(view(underlay_mtu=9000))) == (0, 9000)


def test_the_network_may_say_another() -> None:
    assert pod_mtu(view(network=Network(mtu=1400))) == 1400


def test_encapsulation_takes_its_overhead_from_the_underlays_mtu() -> None:
    vxlan = Network(fabric="vxlan")
    assert (overhead(view(network=vxlan)), room(view(network=vxlan)), pod_mtu(view(network=vxlan))) == (50, 1450, 1450)
    own = node(1, "2001:db8::1")
    assert pod_mtu(msgspec.structs.replace(view(network=vxlan), node=own)) == 1430


@pytest.mark.parametrize("fabric", [fabric.name for fabric in FABRICS])
def test_what_is_encrypted_travels_in_that_tunnel_and_no_other(fabric: str) -> None:
    encrypted = Network(fabric=fabric, encryption=Encryption())
    assert (overhead(view(network=encrypted)), pod_mtu(view(network=encrypted))) == (60, 1440)
    own = node(1, "2001:db8::1")
    assert overhead(msgspec.structs.replace(view(network=encrypted), node=own)) == 80
