"""What an nft rule looks at, of peers and ports."""

from __future__ import annotations

from tandem.base.ids import GroupId
from tandem.compile import names
from tandem.compile.nft.matches import Matches, merged, peer_matches, port_matches
from tandem.ir.policy import Anyone, Cidr, Domains, Group, Peer, PortMatch, Side
from tandem.state import nft
from tandem.state.nft import Field


def _peer(peer: Peer, side: Side = Side.INGRESS) -> list[Matches]:
    return list(peer_matches(peer, side))


def test_the_side_decides_which_address_the_peer_has() -> None:
    group = Group(id=GroupId("g"))
    assert _peer(group)[0] == (nft.InSet((Field.SADDR4,), "ag4-g"),)
    assert _peer(group, Side.EGRESS)[1] == (nft.InSet((Field.DADDR6,), "ag6-g"),)


def test_excepted_prefixes_are_merged() -> None:
    block = Cidr(prefix="10.0.0.0/8", excepts=("10.1.0.0/17", "10.1.128.0/17", "10.1.2.0/24"))
    assert _peer(block) == [
        (
            nft.Is(Field.SADDR4, nft.Prefix("10.0.0.0", 8)),
            nft.OneOf(Field.SADDR4, (nft.Prefix("10.1.0.0", 16),), negate=True),
        )
    ]


def test_the_whole_internet_is_its_family() -> None:
    assert _peer(Cidr(prefix="0.0.0.0/0")) == [(nft.Is(Field.NFPROTO, "ipv4"),)]
    assert _peer(Cidr(prefix="0.0.0.0/0", excepts=("0.0.0.0/0",))) == []


def test_ports_are_merged_per_protocol() -> None:
    ports = (
        PortMatch(protocol="TCP", first=80, last=80),
        PortMatch(protocol="TCP", first=81, last=90),
        PortMatch(protocol="UDP"),
    )
    assert port_matches(ports) == [
        (nft.Is(Field.L4PROTO, "tcp"), nft.OneOf(Field.DPORT, (nft.Range(80, 90),))),
        (nft.Is(Field.L4PROTO, "udp"),),
    ]
    assert port_matches(()) == [()]


def test_ranges_that_touch_become_one() -> None:
    assert merged([(5, 9), (1, 4), (7, 20), (30, 30)]) == (nft.Range(1, 20), nft.Range(30, 30))


def test_anyone_is_every_packet_and_names_are_a_set_of_each_family() -> None:
    assert _peer(Anyone()) == [()]
    patterns = ("shop.test",)
    four, six = _peer(Domains(patterns=patterns), Side.EGRESS)
    assert four == (nft.InSet((Field.DADDR4,), names.domain_set(patterns, 4)),)
    assert six == (nft.InSet((Field.DADDR6,), names.domain_set(patterns, 6)),)
