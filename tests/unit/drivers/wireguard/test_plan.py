"""What changes on a device."""

from __future__ import annotations

from dataclasses import replace

from tandem.drivers.wireguard.plan import plan
from tandem.drivers.wireguard.port import Delta, Held
from unit.drivers.wireguard.cases import HELD, KEY, OTHER, OTHER_KEY, THIRD, TUNNEL


def test_a_device_that_is_as_wanted_needs_no_change() -> None:
    assert not plan(HELD, TUNNEL, KEY)


def test_a_new_device_needs_everything() -> None:
    assert plan(Held(), TUNNEL, KEY) == Delta(key=KEY, port=51820, put=TUNNEL.peers)


def test_a_peer_that_is_gone_is_removed_and_one_that_differs_is_put_again() -> None:
    moved = replace(OTHER, address="192.0.2.7")
    assert plan(HELD, replace(TUNNEL, peers=(moved,)), KEY) == Delta(remove=(THIRD.key,), put=(moved,))


def test_another_key_or_port_is_set_alone() -> None:
    assert plan(HELD, TUNNEL, OTHER_KEY) == Delta(key=OTHER_KEY)
    assert plan(HELD, replace(TUNNEL, port=7), KEY) == Delta(port=7)
