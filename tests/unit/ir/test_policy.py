"""The vocabulary of network policy."""

from __future__ import annotations

import msgspec
import pytest

from tandem.base.ids import GroupId
from tandem.ir.policy import Anyone, Cidr, Group, Peer, PortMatch, Protocol


@pytest.mark.parametrize(
    "peer", [Anyone(), Cidr(prefix="10.0.0.0/8", excepts=("10.1.0.0/16",)), Group(id=GroupId("g"))]
)
def test_peers_are_told_apart_by_their_tag(peer: Peer) -> None:
    assert msgspec.json.decode(msgspec.json.encode(peer), type=Peer) == peer


def test_a_protocol_alone_is_every_port() -> None:
    match = PortMatch(protocol=Protocol.TCP.value)
    assert (match.first, match.last) == (0, 65535)
