"""Any policy sets, with as many rules as make tables of them: every packet gets what the order of rules says."""

from __future__ import annotations

import ipaddress
from unittest.mock import patch

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import pod
from meshbuild import CONFIG
from nfttrace import Packet, Trace, trace
from nodeviews import attached, ifname_of, node
from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft import verdicts_groups, verdicts_mixed
from tandem.compile.nft.chains import judge, log_prefix, rule_prefix
from tandem.compile.nft.crowds import LARGE, crowd_tables, large_groups
from tandem.compile.nft.dispatch import pod_sets
from tandem.compile.nft.judged import group_sets
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.verdicts_groups import FEW, MANY
from tandem.drivers.nft.plan import apply, plan
from tandem.drivers.nft.split import split
from tandem.ir.node import NodeView
from tandem.ir.policy import (
    AddressGroup,
    Anyone,
    Cidr,
    Group,
    Peer,
    PolicySet,
    PortMatch,
    Rule,
    Side,
    Verdict,
)
from tandem.state import nft
from tandem.state.nft import Field

ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "192.0.2.1", "fd00::1", "fd00::2:1", "2001:db8::1")
GROUPS = {
    GroupId(name): AddressGroup(id=GroupId(name), addresses=addresses)
    for name, addresses in {
        "g0": ("10.0.0.1", "fd00::1"),
        "g1": ("10.0.0.1", "10.0.0.2", "10.1.0.1"),
        "g2": (),
        "g3": ("2001:db8::1",),
        "g4": ("192.0.2.1", *(f"10.200.{n // 200}.{n % 200}" for n in range(LARGE))),
        **{f"h{n}": (ADDRESSES[n % 3], f"10.77.0.{n}") for n in range(FEW)},
    }.items()
}
FEW_GROUPS, CROWD = list(GROUPS)[:5], list(GROUPS)
BLOCKS = (
    Cidr(prefix="0.0.0.0/0"),
    Cidr(prefix="::/0"),
    Cidr(prefix="10.0.0.0/8"),
    Cidr(prefix="10.0.0.0/8", excepts=("10.0.0.0/23",)),
    Cidr(prefix="10.0.0.0/24"),
    Cidr(prefix="10.0.0.0/30", excepts=("10.0.0.1/32",)),
    Cidr(prefix="10.0.0.1/32"),
    Cidr(prefix="0.0.0.0/0", excepts=("10.0.0.0/8", "192.0.2.1/32")),
    Cidr(prefix="10.1.0.0/16", excepts=("10.1.0.0/16",)),
    Cidr(prefix="fd00::/64", excepts=("fd00::1/128",)),
    Cidr(prefix="fd00::1/128"),
    Cidr(prefix="::/0", excepts=("fd00::/8",)),
)
PORTS = ((80, 80), (81, 81), (79, 90), (85, 1000), (0, 65535), (53, 53))
PROBES = (("TCP", 80), ("TCP", 81), ("TCP", 90), ("TCP", 500), ("TCP", 9), ("UDP", 53), ("SCTP", 80), ("ICMP", 0))

peers: st.SearchStrategy[Peer] = st.one_of(
    st.just(Anyone()), st.sampled_from(BLOCKS), st.sampled_from([Group(id=g) for g in FEW_GROUPS])
)
ports = st.builds(
    lambda protocol, span: PortMatch(protocol=protocol, first=span[0], last=span[1]),
    st.sampled_from(("TCP", "UDP", "SCTP")),
    st.sampled_from(PORTS),
)


@st.composite
def rules(draw: st.DrawFn, tag: str, verdicts: tuple[Verdict, ...], most: int) -> tuple[Rule, ...]:
    found = []
    for i in range(draw(st.integers(0, most))):
        wanted = draw(st.lists(ports, max_size=3))
        # Rules without ports decide nearly everything: they are rare, or no other rule would be reached.
        if not wanted and draw(st.integers(0, 3)):
            wanted = [PortMatch(protocol="TCP", first=80, last=80)]
        origin = Origin(kind="P", name=f"{tag}{i}", path=f"spec.{tag}[{i}]")
        chosen = tuple(draw(st.lists(peers, min_size=1, max_size=2)))
        if not draw(st.integers(0, 9)):  # as many groups as are asked together
            chosen = tuple(Group(id=g) for g in draw(st.permutations(CROWD)))
        found.append(
            Rule(
                peers=chosen,
                ports=tuple(wanted),
                origin=origin,
                verdict=draw(st.sampled_from(verdicts)),
                rejects=draw(st.booleans()),
            )
        )
    return tuple(found)


@st.composite
def policy_sets(draw: st.DrawFn, name: str, side: Side) -> PolicySet:
    isolated = draw(st.integers(0, 2)) > 0
    every = (Verdict.ACCEPT, Verdict.DENY, Verdict.PASS)
    return PolicySet(
        id=PolicySetId(name),
        side=side,
        rules=draw(rules("n", (Verdict.ACCEPT,), 40)) if isolated else (),
        isolated_by=(Origin(kind="N", name=name, path=f"spec.{side.value}"),) if isolated else (),
        admin=draw(rules("a", every, 25)),
        baseline=draw(rules("b", every, 25)),
        closed=draw(st.integers(0, 9)) == 0,
        rejects=draw(st.booleans()),
    )


def has(rule: Rule, address: str, protocol: str, port: int) -> bool:
    right = not rule.ports or any(p.protocol == protocol and p.first <= port <= p.last for p in rule.ports)
    return right and any(is_peer(peer, address) for peer in rule.peers)


def is_peer(peer: Peer, address: str) -> bool:
    if isinstance(peer, Cidr):
        one = ipaddress.ip_address(address)
        return one in ipaddress.ip_network(peer.prefix) and all(
            one not in ipaddress.ip_network(e) for e in peer.excepts
        )
    return isinstance(peer, Anyone) or (isinstance(peer, Group) and address in GROUPS[peer.id].addresses)


def decide(policy_set: PolicySet, address: str, protocol: str, port: int) -> tuple[bool, Rule | None]:
    """Whether it is let go, and by which rule; without one by isolation or by no one's word."""
    for rule in policy_set.admin:
        if has(rule, address, protocol, port):
            if rule.verdict is Verdict.PASS:
                break
            return rule.verdict is Verdict.ACCEPT, rule
    if policy_set.closed:
        return False, None
    if policy_set.isolated_by:
        found = [r for r in policy_set.rules if has(r, address, protocol, port)]
        return bool(found), found[0] if found else None
    for rule in policy_set.baseline:
        if has(rule, address, protocol, port):
            return rule.verdict is not Verdict.DENY, rule if rule.verdict is not Verdict.PASS else None
    return True, None


def view(*sets: PolicySet) -> NodeView:
    return NodeView(
        node=node("n"),
        config=CONFIG,
        sets={s.id: s for s in sets},
        groups=GROUPS,
    )


def table(policy_set: PolicySet, preview: PolicySet | None = None) -> nft.Ruleset:
    seen = view(policy_set, *([preview] if preview else []))
    written = judge(policy_set, preview, large=large_groups(seen.groups))
    base = nft.Chain(
        name="base",
        base=nft.Hook(type="filter", hook="forward", priority=0),
        rules=(
            nft.Rule(then=(nft.Jump(names.set_chain(policy_set.id)),)),
            nft.Rule(match=(nft.Is(Field.IIFNAME, "in"),), then=(nft.Log("returned"),)),
        ),
    )
    rules, crowds = written.rules, crowd_tables(seen.groups, written.crowds)
    return nft.ruleset(
        chains=(*rules.chains, base),
        sets=(*rules.sets, *crowds.sets, *group_sets(seen, written.groups()), *pod_sets(seen)),
        maps=(*rules.maps, *crowds.maps),
        counters=rules.counters,
    )


def follow(ruleset: nft.Ruleset, side: Side, address: str, protocol: str, port: int) -> Trace:
    own = "10.9.9.9" if ":" not in address else "fd99::9"
    source, destination = (address, own) if side is Side.INGRESS else (own, address)
    name = {"ICMP": "icmp" if ":" not in address else "ipv6-icmp"}.get(protocol, protocol.lower())
    return trace(
        ruleset, Packet(saddr=source, daddr=destination, protocol=name, dport=port, iifname="in"), route=lambda _: "out"
    )


SLOW = settings(
    max_examples=40,
    suppress_health_check=list(HealthCheck),
)


ports_apart = st.sampled_from((0, MANY))
"""More ports with groups of their own than that are many: none, or as it is."""


blocks = st.sampled_from((1, FEW))
"""As many blocks of one verdict, and groups that follow one another, are asked one after the other."""


@SLOW
@given(st.sampled_from(Side).flatmap(lambda side: policy_sets("x", side)), ports_apart, blocks)
def test_a_packet_gets_what_the_order_of_rules_says(policy_set: PolicySet, many: int, few: int) -> None:
    with patch.object(verdicts_groups, "MANY", many), patch.multiple(verdicts_mixed, FEW=few, AGAIN=1000):
        ruleset = table(policy_set)
    assert apply(plan(None, ruleset), None) == ruleset
    for address in ADDRESSES:
        for protocol, port in PROBES:
            allowed, rule = decide(policy_set, address, protocol, port)
            found = follow(ruleset, policy_set.side, address, protocol, port)
            case = (address, protocol, port, rule, found)
            if allowed:
                assert found.verdict == "accept", case
                counted = [c for c in found.counted if c.startswith("ok-")]
                if rule is None:
                    assert not counted, case
                else:
                    names_of = {names.allowed(r.origin) for r in equals(policy_set, rule, address, protocol, port)}
                    assert len(counted) == 1, case
                    assert counted[0] in names_of, case
            else:
                assert found.verdict in {"drop", "reject"}, case
                wanted = log_prefix(policy_set) if rule is None else None
                if wanted is not None:
                    assert found.log == wanted, case
                    assert (found.verdict == "reject") == policy_set.rejects, case
                else:
                    assert rule is not None
                    same = equals(policy_set, rule, address, protocol, port)
                    assert found.log in {rule_prefix(r, policy_set.side) for r in same}, case


def equals(policy_set: PolicySet, rule: Rule, address: str, protocol: str, port: int) -> list[Rule]:
    """Rules that have the packet too, and stand together with this one: any of them may answer."""
    if rule in policy_set.rules:
        return [r for r in policy_set.rules if has(r, address, protocol, port)]
    tier = policy_set.admin if rule in policy_set.admin else policy_set.baseline
    block: list[Rule] = []
    for other in tier[tier.index(rule) :]:
        if other.verdict is not rule.verdict:
            break
        block.append(other)
    return [r for r in block if has(r, address, protocol, port)]


@SLOW
@given(
    st.sampled_from(Side).flatmap(lambda side: st.tuples(policy_sets("x", side), policy_sets("y", side))),
    ports_apart,
    blocks,
)
def test_a_preview_changes_nothing_and_tells_what_it_would_deny(
    both: tuple[PolicySet, PolicySet], many: int, few: int
) -> None:
    enforced, preview = both
    with patch.object(verdicts_groups, "MANY", many), patch.multiple(verdicts_mixed, FEW=few, AGAIN=1000):
        alone, beside = table(enforced), table(enforced, preview)
    for address in ADDRESSES:
        for protocol, port in PROBES:
            before = follow(alone, enforced.side, address, protocol, port)
            after = follow(beside, enforced.side, address, protocol, port)
            assert (before.verdict, before.log) == (after.verdict, after.log)
            assert [c for c in after.counted if not c.startswith("st-")] == list(before.counted)
            told = [prefix for prefix in after.logged if names.is_staged(prefix)]
            would, rule = decide(preview, address, protocol, port)
            if before.verdict != "accept" or would:
                assert not told
            elif rule is None:
                assert told == [log_prefix(preview, staged=True)]
            else:
                same = equals(preview, rule, address, protocol, port)
                assert told[0] in {rule_prefix(r, preview.side, staged=True) for r in same}
                assert len(told) == 1


def both_pods(ingress: PolicySet, egress: PolicySet) -> NodeView:
    """A node with one pod that is judged on both sides."""
    seen = view(ingress, egress)
    one = attached(POD, ingress=ingress.id, egress=egress.id)
    return msgspec.structs.replace(seen, pods=(one,))


POD = pod("own", ip=("10.9.9.9", "fd99::9"))


@st.composite
def changes(draw: st.DrawFn) -> tuple[NodeView, NodeView]:
    """Other rules under other names (as translation names sets by what they say), and another membership of groups."""
    views = []
    for tag in "xy":
        ingress, egress = (draw(policy_sets(f"{tag}{side.value}", side)) for side in Side)
        seen = both_pods(ingress, egress)
        moved = draw(st.permutations([GROUPS[g].addresses for g in FEW_GROUPS]))
        other = {g: AddressGroup(id=g, addresses=found) for g, found in zip(FEW_GROUPS, moved, strict=True)}
        groups = {**GROUPS, **other}
        views.append(msgspec.structs.replace(seen, groups=groups))
    return views[0], views[1]


@settings(SLOW, max_examples=12)
@given(changes(), st.sampled_from((5, 30, 100)), st.sampled_from(("fresh", "there")))
def test_after_each_part_a_packet_gets_the_verdict_of_before_or_of_after(
    both: tuple[NodeView, NodeView], bound: int, table: str
) -> None:
    old, new = (compile_nft(v) for v in both)
    state = None if table == "fresh" else old
    probes = [(a, p, n) for a in ADDRESSES[:6] for p, n in (("TCP", 80), ("TCP", 500), ("UDP", 53), ("ICMP", 0))]

    def verdicts(ruleset: nft.Ruleset | None) -> list[str]:
        if ruleset is None:
            return ["accept"] * (2 * len(probes))
        return [verdict(ruleset, side, *probe) for side in Side for probe in probes]

    before, after = verdicts(state), verdicts(new)
    for part in split(plan(state, new), bound, fresh=table == "fresh"):
        state = apply(part, state)
        now = verdicts(state)
        assert now in (before, after)
        assert now == after or before != after
    assert state == new


def verdict(ruleset: nft.Ruleset, side: Side, address: str, protocol: str, port: int) -> str:
    """Of a packet between the pod and somebody outside."""
    own = POD.addresses[":" in address]
    name = {"ICMP": "icmp" if ":" not in address else "ipv6-icmp"}.get(protocol, protocol.lower())
    link = ifname_of(POD)
    source, destination, came = (address, own, "eth0") if side is Side.INGRESS else (own, address, link)
    packet = Packet(saddr=source, daddr=destination, protocol=name, dport=port, iifname=came)
    return trace(ruleset, packet, route=lambda a: link if a == own else "eth0").verdict
