"""Peers and speakers as values."""

from __future__ import annotations

from tandem.state.bgp import PORT, BgpPeer, BgpSpeaker


def test_equal_speakers_are_equal_values_and_speak_at_the_port_of_bgp() -> None:
    peer = BgpPeer(name="a", title="node a", local="192.0.2.1", address="192.0.2.2", as_number=64512)
    speaker = BgpSpeaker(router_id="192.0.2.1", as_number=64512, peers=(peer,))
    assert speaker == BgpSpeaker(router_id="192.0.2.1", as_number=64512, peers=(peer,))
    assert (speaker.port, peer.port) == (PORT, PORT) == (179, 179)
