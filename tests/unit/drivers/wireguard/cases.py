"""A tunnel with two peers, for the tests of the driver."""

from __future__ import annotations

from tandem.base.secret import Secret
from tandem.drivers.wireguard.keys import public_of
from tandem.drivers.wireguard.port import Held
from tandem.state.wireguard import Tunnel, WireguardPeer

KEY, OTHER_KEY, THIRD_KEY = (Secret(bytes([n] * 32)) for n in (1, 2, 3))
OTHER = WireguardPeer(key=public_of(OTHER_KEY), address="192.0.2.2", allowed=("10.244.1.0/24", "fd00:1::/64"))
THIRD = WireguardPeer(key=public_of(THIRD_KEY), address="2001:db8::3", port=4321, allowed=("10.244.2.0/24",))
TUNNEL = Tunnel(mtu=1400, addresses=("10.244.0.1",), peers=tuple(sorted((OTHER, THIRD))))
HELD = Held(key=public_of(KEY), port=TUNNEL.port, peers=TUNNEL.peers, handshakes={OTHER.key: 0, THIRD.key: 0})
