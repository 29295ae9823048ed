"""Which rule denies a packet, tier by tier. That the kernel's rules say the same: tests/property/test_judge.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin
from tandem.compile.judge import Denial, Judge, refusing_groups
from tandem.ir.policy import (
    AddressGroup,
    Anyone,
    Cidr,
    Domains,
    Group,
    Peer,
    PolicySet,
    PortMatch,
    Rule,
    Side,
    Verdict,
    every_rule,
    groups_of,
)

WEB = Group(id=GroupId("web"))
GROUPS = {GroupId("web"): AddressGroup(id=GroupId("web"), addresses=("10.244.0.2", "fd00::2"))}
HTTP = PortMatch(protocol="TCP", first=80, last=80)


def by(name: str) -> Origin:
    return Origin(kind="NetworkPolicy", namespace="shop", name=name)


def rule(name: str, verdict: Verdict, peer: Peer, *ports: PortMatch, keeps: bool = False) -> Rule:
    return Rule(peers=(peer,), ports=ports, origin=by(name), verdict=verdict, keeps=keeps)


def policy_set(**fields: Any) -> PolicySet:
    return PolicySet(
        **{"id": PolicySetId("p"), "side": Side.INGRESS, "rules": (), "isolated_by": (), **fields},
    )


def asked(policies: PolicySet, address: str = "10.244.0.2", protocol: str = "TCP", port: int = 80) -> Denial | None:
    return Judge(policies, GROUPS, {}).denial(address, protocol, port)


ADMIN_DENY = rule("admin", Verdict.DENY, WEB)
NP_ALLOW = rule("allow", Verdict.ACCEPT, WEB, HTTP)
LAST_DENY = rule("last", Verdict.DENY, Anyone())


@pytest.mark.parametrize(
    ("policies", "denied"),
    [
        (policy_set(), None),
        (policy_set(isolated_by=(by("np"),)), ("np",)),
        (policy_set(isolated_by=(by("np"),), rules=(NP_ALLOW,)), None),
        (policy_set(isolated_by=(by("np"),), rules=(NP_ALLOW,), admin=(ADMIN_DENY,)), ("admin",)),
        (policy_set(isolated_by=(by("np"),), admin=(rule("a", Verdict.ACCEPT, WEB), ADMIN_DENY)), None),
        (policy_set(isolated_by=(by("np"),), admin=(rule("a", Verdict.PASS, WEB), ADMIN_DENY)), ("np",)),
        (policy_set(admin=(rule("a", Verdict.PASS, WEB),), baseline=(LAST_DENY,)), ("last",)),
        (policy_set(isolated_by=(by("np"),), rules=(NP_ALLOW,), baseline=(LAST_DENY,)), None),
        (policy_set(baseline=(rule("b", Verdict.ACCEPT, WEB), LAST_DENY)), None),
        (policy_set(closed=True, baseline=(rule("b", Verdict.ACCEPT, WEB),)), ()),
        (policy_set(closed=True, admin=(rule("a", Verdict.ACCEPT, WEB),)), None),
    ],
)
def test_tiers_are_asked_in_their_order(policies: PolicySet, denied: tuple[str, ...] | None) -> None:
    said = asked(policies)
    assert (None if said is None else tuple(r.name for r in said.rules)) == denied


@pytest.mark.parametrize(
    ("peer", "address", "holds"),
    [
        (WEB, "10.244.0.2", True),
        (WEB, "fd00::2", True),
        (WEB, "10.244.0.3", False),
        (Anyone(), "2001:db8::1", True),
        (Cidr(prefix="10.0.0.0/8", excepts=("10.244.0.0/17",)), "10.244.0.2", False),
        (Cidr(prefix="10.0.0.0/8", excepts=("10.244.0.0/17",)), "10.244.128.1", True),
        (Cidr(prefix="0.0.0.0/0"), "fd00::2", False),
        (Cidr(prefix="fd00::/8"), "fd00::2", True),
    ],
)
def test_peers(peer: Peer, address: str, holds: bool) -> None:  # noqa: FBT001
    assert (asked(policy_set(admin=(rule("d", Verdict.DENY, peer),)), address) is not None) is holds


@pytest.mark.parametrize(
    ("protocol", "port", "allowed"), [("TCP", 80, True), ("TCP", 81, False), ("UDP", 80, False), ("ICMP", 0, False)]
)
def test_ports_belong_to_their_protocol(protocol: str, port: int, allowed: bool) -> None:  # noqa: FBT001
    found = asked(policy_set(isolated_by=(by("np"),), rules=(NP_ALLOW,)), protocol=protocol, port=port)
    assert (found is None) is allowed


def test_of_names_only_the_node_knows_what_was_learned() -> None:
    names = Domains(patterns=("*.example.org", "example.com"))
    policies = policy_set(isolated_by=(by("np"),), rules=(rule("names", Verdict.ACCEPT, names),))
    both = {"*.example.org": (), "example.com": ("203.0.113.7",)}
    assert Judge(policies, {}, both).denial("203.0.113.7", "TCP", 443) is None
    assert Judge(policies, {}, both).denial("203.0.113.8", "TCP", 443) is not None
    assert Judge(policies, {}, {}).denial("203.0.113.8", "TCP", 443) is None  # an agent that has just started


def test_who_denies_says_whether_established_connections_are_kept() -> None:
    kept = asked(policy_set(admin=(rule("a", Verdict.DENY, WEB, keeps=True),)))
    assert kept == Denial(side=Side.INGRESS, rules=(by("a"),), keeps=True)
    isolated = asked(policy_set(isolated_by=(by("np"),), keeps=True))
    assert isolated is not None
    assert isolated.keeps


def test_a_set_whose_groups_have_not_all_arrived_is_not_complete() -> None:
    policies = policy_set(admin=(ADMIN_DENY,))
    assert Judge(policies, GROUPS, {}).complete
    assert not Judge(policies, {}, {}).complete


def test_groups_of_every_tier_are_known_and_those_that_refuse_apart() -> None:
    other = msgspec.structs.replace(NP_ALLOW, peers=(Group(id=GroupId("other")),))
    policies = policy_set(admin=(ADMIN_DENY,), rules=(other,), isolated_by=(by("np"),))
    assert groups_of(every_rule(policies)) == {"web", "other"}
    assert refusing_groups(policies) == {"web"}
