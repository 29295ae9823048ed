"""A WireguardDriver without a device: for tests of what is built on it. Passes the contract tests of the real one."""

from __future__ import annotations

from dataclasses import replace

from tandem.drivers.failing import Failing
from tandem.drivers.wireguard.keys import public_of, to_raw
from tandem.drivers.wireguard.port import Delta, Held, WireguardError
from tandem.state.wireguard import WireguardPeer


class FakeWireguard(Failing):
    """Holds what was applied; `fail_next(error)` makes the next call fail."""

    def __init__(self) -> None:
        self.held = Held()

    async def read(self) -> Held:
        """What was applied."""
        self.may_fail()
        return self.held

    async def apply(self, delta: Delta) -> None:
        """A prefix belongs to the peer to which it was put last."""
        self.may_fail()
        for key in (*delta.remove, *(peer.key for peer in delta.put)):
            try:
                to_raw(key)
            except ValueError as error:
                raise WireguardError(f"set: {error}") from error
        peers = {peer.key: peer for peer in self.held.peers if peer.key not in delta.remove}
        for new in delta.put:
            peers = {key: _without(peer, new) for key, peer in peers.items()} | {new.key: new}
        self.held = Held(
            key=public_of(delta.key) if delta.key is not None else self.held.key,
            port=delta.port if delta.port is not None else self.held.port,
            peers=tuple(sorted(peers.values())),
            handshakes={key: self.held.handshakes.get(key, 0) for key in peers},
        )


def _without(peer: WireguardPeer, new: WireguardPeer) -> WireguardPeer:
    return replace(peer, allowed=tuple(prefix for prefix in peer.allowed if prefix not in new.allowed))
