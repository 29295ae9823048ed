"""Policy sets as chains."""

from __future__ import annotations

from builders import pod, policy, world
from nodeviews import view_of
from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin
from tandem.compile.nft.chains import group_sets, log_prefix, merged, policy_chain, port_matches, used_sets
from tandem.ir.policy import Anyone, Cidr, Group, Peer, PolicySet, PortMatch, Rule, Side
from tandem.state import nft
from tandem.state.nft import Field

ORIGIN = Origin(kind="NetworkPolicy", namespace="shop", name="p", path="spec.ingress[0]", source="p.yaml:7")


def _chain(*peers: Peer, side: Side = Side.INGRESS) -> list[tuple[nft.Match, ...]]:
    rules = (Rule(peers=peers, origin=ORIGIN),)
    chain = policy_chain(PolicySet(id=PolicySetId("x"), side=side, rules=rules, isolated_by=(ORIGIN,)))
    allowed = (nft.Return() if side is Side.EGRESS else nft.Accept(),)
    return [r.match for r in chain.rules if r.then == allowed]


def test_every_rule_carries_its_origin() -> None:
    rules = (Rule(peers=(Anyone(),), origin=ORIGIN),)
    chain = policy_chain(PolicySet(id=PolicySetId("x"), side=Side.INGRESS, rules=rules, isolated_by=()))
    assert chain.rules[0].comment == "NetworkPolicy shop/p spec.ingress[0] (p.yaml:7)"


def test_a_chain_ends_by_reporting_and_dropping() -> None:
    empty = PolicySet(id=PolicySetId("x"), side=Side.EGRESS, rules=(), isolated_by=())
    assert log_prefix(empty) == "ps-x/egress"
    limit, drop = policy_chain(empty).rules
    assert limit.then[-1] == nft.Log("ps-x/egress")
    assert drop.then == (nft.Counter(), nft.Drop())


def test_the_side_decides_which_address_the_peer_has() -> None:
    group = Group(id=GroupId("g"))
    assert _chain(group)[0] == (nft.InSet((Field.SADDR4,), "ag4-g"),)
    assert _chain(group, side=Side.EGRESS)[1] == (nft.InSet((Field.DADDR6,), "ag6-g"),)


def test_excepted_prefixes_are_merged() -> None:
    block = Cidr(prefix="10.0.0.0/8", excepts=("10.1.0.0/17", "10.1.128.0/17", "10.1.2.0/24"))
    assert _chain(block) == [
        (
            nft.Is(Field.SADDR4, nft.Prefix("10.0.0.0", 8)),
            nft.OneOf(Field.SADDR4, (nft.Prefix("10.1.0.0", 16),), negate=True),
        )
    ]


def test_the_whole_internet_is_its_family() -> None:
    assert _chain(Cidr(prefix="0.0.0.0/0")) == [(nft.Is(Field.NFPROTO, "ipv4"),)]
    assert _chain(Cidr(prefix="0.0.0.0/0", excepts=("0.0.0.0/0",))) == []


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


def test_a_group_that_has_not_arrived_is_empty() -> None:
    view = view_of(world(pod("web"), policy(ingress=[{"from": [{"podSelector": {}}]}])))
    used = used_sets(view)
    assert sorted(len(s.elements) for s in group_sets(view, used)) == [0, 1]
    assert [len(s.elements) for s in group_sets(type(view)(node=view.node, config=view.config), used)] == [0, 0]
