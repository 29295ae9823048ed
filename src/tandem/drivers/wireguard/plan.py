"""What a device has and the tunnel that is wanted -> the difference. Pure."""

from __future__ import annotations

from tandem.base.secret import Secret
from tandem.drivers.wireguard.keys import public_of
from tandem.drivers.wireguard.port import Delta, Held
from tandem.state.wireguard import Tunnel


def plan(held: Held, wanted: Tunnel, key: Secret) -> Delta:
    """Empty (false) if there is none. A peer of which anything differs is put again, and keeps its session.

    A prefix that moves from one peer to another is taken from the first by being put to the second.
    """
    have = {peer.key: peer for peer in held.peers}
    keys = {peer.key for peer in wanted.peers}
    return Delta(
        key=key if held.key != public_of(key) else None,
        port=wanted.port if held.port != wanted.port else None,
        remove=tuple(sorted(have.keys() - keys)),
        put=tuple(peer for peer in wanted.peers if have.get(peer.key) != peer),
    )
