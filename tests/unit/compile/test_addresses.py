"""Addresses that follow from names."""

from __future__ import annotations

from tandem.compile.addresses import link_local, mac_address, node_address


def test_a_nodes_own_address_is_the_first_of_its_pod_prefix() -> None:
    assert node_address("10.244.3.0/24") == "10.244.3.1"


def test_a_mac_address_is_local_unicast_and_the_same_for_ever() -> None:
    assert mac_address("x") == mac_address("x") != mac_address("y")
    assert int(mac_address("x")[:2], 16) & 3 == 2


def test_the_link_local_address_follows_from_the_mac_address() -> None:
    assert link_local("34:56:78:9a:bc:de") == "fe80::3656:78ff:fe9a:bcde"
