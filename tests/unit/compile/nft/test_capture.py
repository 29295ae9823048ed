"""The table inside a meshed pod's namespace. What it does to packets is tested in tests/netns/test_mesh_traffic.py."""

from __future__ import annotations

from typing import TypeGuard

import msgspec

from meshbuild import NODE, attached, view
from tandem.compile.nft.capture import compile_capture, compile_captures
from tandem.compile.nft.services import OUTSIDE, STABLE
from tandem.state import nft, nft_text
from tandem.state.ownership import INBOUND_CONNECTION

POD = attached("a", "10.244.0.2")
TEXT = nft_text.table(compile_capture(view(POD), POD))


def rules(chain: str) -> list[str]:
    return [nft_text.rule(rule) for rule in compile_capture(view(POD), POD).chain(chain).rules]


def test_a_pod_outside_the_mesh_has_no_rules() -> None:
    assert compile_capture(view(POD), attached("x", "10.244.0.9", meshed=False)) == nft.ruleset()


def test_tables_are_kept_pod_by_pod_until_pod_or_node_change() -> None:
    one, two = attached("one-of-its-own", "10.244.0.21"), attached("two-of-its-own", "10.244.0.22")
    seen = view(one, attached("x", "10.244.0.9", meshed=False))
    ((pod, table),) = compile_captures(seen)
    assert (pod, table) == (one, compile_capture(seen, one))
    (_, again), (_, more) = compile_captures(msgspec.structs.replace(seen, pods=(one, two)))
    assert again is table
    assert more != table
    moved = msgspec.structs.replace(NODE, pod_cidrs=("10.244.9.0/24",))
    ((_, other),) = compile_captures(msgspec.structs.replace(seen, node=moved))
    assert other != table


def test_envoys_own_connections_come_before_the_redirect() -> None:
    own, *_, redirect = rules("mesh-out")
    assert own == "meta mark { 1337, 1338 } accept"
    assert redirect == "meta nfproto ipv4 meta l4proto tcp redirect to :15001"


def test_the_node_and_dns_are_not_captured() -> None:
    assert "ip daddr { 10.96.0.10, 10.244.0.1 } accept" in rules("mesh-out")
    assert 'ip saddr { 10.244.0.1 } accept comment "the node"' in rules("mesh-in")


def test_what_arrives_last_is_handed_to_envoy_or_dropped_where_that_does_not_listen() -> None:
    assert rules("mesh-in")[-3:] == [
        "meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:15006 meta mark set 0x53b accept",
        'tcp flags & (syn|rst) == syn drop comment "no proxy"',
        'ct state new drop comment "no proxy"',
    ]


def test_answers_to_the_pods_own_connections_are_let_through_before() -> None:
    inbound = rules("mesh-in")
    assert inbound.index("ct direction reply accept") < len(inbound) - 1


def test_tcp_of_a_family_that_the_pod_does_not_have_does_not_go_round_the_mesh() -> None:
    assert 'meta nfproto ipv6 drop comment "not captured"' in rules("mesh-in")
    assert 'meta nfproto ipv4 drop comment "not captured"' in rules_of("fd00:10:244::2")["mesh-in"]
    assert not any("not captured" in rule for rule in rules_of("10.244.0.2", "fd00:10:244::2")["mesh-in"])


def rules_of(*addresses: str) -> dict[str, list[str]]:
    """Of a node of both families."""
    node = msgspec.structs.replace(NODE, pod_cidrs=("10.244.0.0/24", "fd00:10:244::/64"))
    pod = msgspec.structs.replace(POD, addresses=addresses)
    seen = view(pod, node=node)
    config = msgspec.structs.replace(seen.config, dns_addresses=("10.96.0.10", "fd00:10:96::a"))
    found = compile_capture(msgspec.structs.replace(seen, config=config), pod)
    return {chain.name: [nft_text.rule(rule) for rule in chain.rules] for chain in found.chains}


def test_both_families_of_a_pod_are_captured_each_with_its_own_exemptions() -> None:
    found = rules_of("10.244.0.2", "fd00:10:244::2")
    assert found["mesh-in"][-4:-2] == [
        "meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:15006 meta mark set 0x53b accept",
        "meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:15006 meta mark set 0x53b accept",
    ]
    assert 'ip6 saddr { fd00:10:244::1 } accept comment "the node"' in found["mesh-in"]
    assert found["mesh-in"][6].startswith('meta iifname "lo" meta mark 1337 ip6 daddr { fd00:10:244::2 }')
    assert found["mesh-out"][2:] == [
        "ip daddr { 10.96.0.10, 10.244.0.1 } accept",
        "ip6 daddr { fd00:10:96::a, fd00:10:244::1 } accept",
        "meta nfproto ipv4 meta l4proto tcp redirect to :15001",
        "meta nfproto ipv6 meta l4proto tcp redirect to :15001",
    ]


def test_a_pod_of_ipv6_alone_has_no_rule_of_ipv4_but_the_one_that_drops() -> None:
    found = rules_of("fd00:10:244::2")
    assert [rule for chain in found.values() for rule in chain if "ipv4" in rule or "ip saddr" in rule] == [
        'meta nfproto ipv4 drop comment "not captured"'
    ]


def test_only_envoys_connection_to_the_pod_itself_is_taken_from_loopback() -> None:
    assert rules("mesh-in")[3].startswith('meta iifname "lo" meta mark 1337 ip daddr { 10.244.0.2 }')
    assert rules("mesh-in")[5] == 'meta iifname "lo" accept'


def test_envoys_own_ports_are_dialled_by_what_was_redirected_there_alone() -> None:
    assert rules("mesh-in")[:3] == [
        'tcp dport 15006 ct direction original drop comment "Envoy\'s own port"',
        'meta iifname "lo" tcp dport 15001 ct status dnat accept',
        'meta iifname "lo" tcp dport 15001 ip daddr 127.0.0.1 ct direction original drop comment "Envoy\'s own port"',
    ]


def test_a_node_without_pod_prefix_exempts_nobody() -> None:
    bare = view(POD, node=msgspec.structs.replace(NODE, pod_cidrs=()))
    assert "the node" not in nft_text.table(compile_capture(bare, POD))


def test_packets_to_the_application_from_outside_of_loopback_are_dropped() -> None:
    """A client that guesses the port of Envoy's connection must not reach the application round Envoy."""
    assert "ct mark 5440826 drop" in TEXT


def test_the_mark_of_envoys_connections_is_no_number_of_an_endpoint() -> None:
    """Behind another plugin Services are translated in the pod itself, and number endpoints in the same field."""
    assert 2 * OUTSIDE <= INBOUND_CONNECTION < STABLE
    marks = [s.value for c in compile_capture(view(POD), POD).chains for r in c.rules for s in r.then if is_ct(s)]
    assert marks == [INBOUND_CONNECTION]


def is_ct(statement: nft.Statement) -> TypeGuard[nft.SetMark]:
    return isinstance(statement, nft.SetMark) and statement.target is nft.Field.CT_MARK
