"""BIRD's configuration file. That BIRD takes it is shown here, what it then does in tests/contract/test_bgp.py."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tandem.base.secret import Secret
from tandem.drivers.bgp.config import config_text
from tandem.drivers.process.daemon import find_program
from tandem.state.bgp import BgpPeer, BgpSpeaker

NODE = BgpPeer(
    name="node_x", title="node x", local="192.0.2.1", address="192.0.2.2", as_number=64512, accepts=("10.244.1.0/24",)
)
ROUTER = replace(NODE, name="peer_r", title="router", address="192.0.2.254", as_number=65000)
REFLECTOR = replace(NODE, name="peer_s", title="reflector", address="198.51.100.1", near=False)
NODE6 = replace(NODE, name="node_y", local="2001:db8::1", address="2001:db8::2", accepts=("fd00:1::/64",), port=1179)
SPEAKER = BgpSpeaker(
    router_id="192.0.2.1",
    as_number=64512,
    announces=("10.244.0.0/24", "203.0.113.7/32", "fd00::/64"),
    peers=(ROUTER, NODE, REFLECTOR, NODE6),
)


def block(text: str, head: str) -> str:
    """A block of the file, from its first words to the end of its last line."""
    start = text.index(head)
    ends = [at for word in ("\nfilter", "\nprotocol", "\nipv") if (at := text.find(word, start + 1)) > 0]
    return text[start : min(ends, default=len(text))]


@pytest.mark.parametrize(
    "speaker", [SPEAKER, replace(SPEAKER, peers=()), replace(SPEAKER, announces=()), replace(SPEAKER, installs=False)]
)
def test_bird_takes_the_file(tmp_path: Path, speaker: BgpSpeaker) -> None:
    path = tmp_path / "bgp.conf"
    path.write_text(config_text(speaker))
    subprocess.run([find_program("bird", "bird2"), "-p", "-c", path], check=True, capture_output=True)


def test_each_peer_may_say_what_is_its_own_but_nothing_of_ours() -> None:
    own = "10.244.0.0/24+, 203.0.113.7/32+"
    assert block(config_text(SPEAKER), "filter from_node_x").split("\n")[0] == (
        f"filter from_node_x {{ if net ~ [ {own} ] then reject; if net ~ [ 10.244.1.0/24+ ] then accept; reject; }}"
    )


def test_an_address_that_a_peer_has_borrowed_of_ours_is_believed_exactly() -> None:
    borrower = replace(NODE, accepts=("10.244.0.9/32", "10.244.1.0/24"))
    text = config_text(replace(SPEAKER, announces=("10.244.0.0/24",), peers=(borrower,)))
    assert "{ if net ~ [ 10.244.0.9/32 ] then accept; if net ~ [ 10.244.0.0/24+ ] then reject;" in text


def test_a_peer_of_whom_nothing_is_known_may_say_nothing() -> None:
    text = config_text(replace(SPEAKER, announces=(), peers=(replace(NODE, accepts=()),)))
    assert "filter from_node_x {  reject; }" in text


def test_the_kernel_gets_what_was_learnt_with_our_metric_and_nothing_is_taken_from_it() -> None:
    for version in (4, 6):
        kernel = block(config_text(SPEAKER), f"protocol kernel kernel_{version}")
        assert "metric 116;" in kernel
        assert "import none; export where source = RTS_BGP;" in kernel


def test_a_speaker_that_makes_no_routes_gives_the_kernel_none() -> None:
    text = config_text(replace(SPEAKER, installs=False))
    assert text.count("import none; export none;") == 2
    assert "export where source" not in text


def test_only_own_prefixes_are_told_and_each_family_has_its_own() -> None:
    text = config_text(SPEAKER)
    assert text.count("export filter own;") == len(SPEAKER.peers)
    assert "ipv4; route 10.244.0.0/24 blackhole; route 203.0.113.7/32 blackhole;" in text
    assert "ipv6; route fd00::/64 blackhole;" in text


def test_who_is_near_is_the_next_hop_and_who_is_far_tells_next_hops_that_are_looked_up_in_the_underlay() -> None:
    text = config_text(SPEAKER)
    near, far = block(text, "protocol bgp peer_peer_r"), block(text, "protocol bgp peer_peer_s")
    assert "direct;" in near
    assert "igp table" not in near
    assert "multihop;" in far
    assert "gateway recursive; igp table underlay4;" in far


def test_a_router_of_another_as_may_hand_back_what_another_node_of_ours_told_it() -> None:
    text = config_text(SPEAKER)
    assert "allow local as 1;" in block(text, "protocol bgp peer_peer_r")
    assert "allow local as" not in block(text, "protocol bgp peer_node_x")


def test_a_session_listens_at_the_address_that_it_comes_from_alone() -> None:
    session = block(config_text(replace(SPEAKER, port=1790)), "protocol bgp peer_node_y")
    assert "local 2001:db8::1 port 1790 as 64512; strict bind on;" in session
    assert "neighbor 2001:db8::2 port 1179 as 64512;" in session
    assert "ipv6 {" in session


def test_a_password_is_that_of_its_session_alone() -> None:
    locked = replace(NODE, password=Secret(b"a 'word' #1"))
    text = config_text(replace(SPEAKER, peers=(locked, ROUTER)))
    assert """password "a 'word' #1"; """.strip() in block(text, "protocol bgp peer_node_x")
    assert text.count("password") == 1
    assert "'word'" not in repr(locked)


def test_equal_speakers_give_equal_files_whatever_the_order() -> None:
    shuffled = replace(SPEAKER, peers=SPEAKER.peers[::-1], announces=SPEAKER.announces[::-1])
    assert config_text(shuffled) == config_text(SPEAKER)
