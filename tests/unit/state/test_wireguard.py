"""Tunnels as values."""

from __future__ import annotations

from tandem.state.wireguard import PORT, Tunnel, WireguardPeer


def test_equal_tunnels_are_equal_values_at_the_port_of_wireguard() -> None:
    peer = WireguardPeer(key="k", address="192.0.2.2", allowed=("10.244.1.0/24",))
    assert Tunnel(peers=(peer,)) == Tunnel(peers=(peer,))
    assert Tunnel().port == peer.port == PORT == 51820
