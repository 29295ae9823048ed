"""The table inside a meshed pod's namespace. What it does to packets is tested in tests/netns/test_mesh_traffic.py."""

from __future__ import annotations

import msgspec

from meshbuild import NODE, attached, view
from tandem.compile.nft.capture import compile_capture
from tandem.state import nft, nft_text

POD = attached("a", "10.244.0.2")
TEXT = nft_text.table(compile_capture(view(POD), POD))


def rules(chain: str) -> list[str]:
    return [nft_text.rule(rule) for rule in compile_capture(view(POD), POD).chain(chain).rules]


def test_a_pod_outside_the_mesh_has_no_rules() -> None:
    assert compile_capture(view(POD), attached("x", "10.244.0.9", meshed=False)) == nft.ruleset()


def test_envoys_own_connections_come_before_the_redirect() -> None:
    own, *_, redirect = rules("mesh-out")
    assert own == "meta mark { 1337, 1338 } accept"
    assert redirect == "meta nfproto ipv4 meta l4proto tcp redirect to :15001"


def test_the_node_and_dns_are_not_captured() -> None:
    assert "ip daddr { 10.244.0.1, 10.96.0.10 } accept" in rules("mesh-out")
    assert 'ip saddr { 10.244.0.1 } accept comment "the node"' in rules("mesh-in")


def test_what_arrives_last_is_handed_to_envoy() -> None:
    assert rules("mesh-in")[-1] == "meta l4proto tcp tproxy ip to 127.0.0.1:15006 meta mark set 0x53b accept"


def test_answers_to_the_pods_own_connections_are_let_through_before() -> None:
    inbound = rules("mesh-in")
    assert inbound.index("ct direction reply accept") < len(inbound) - 1


def test_tcp_over_ipv6_does_not_go_round_the_mesh() -> None:
    assert 'meta nfproto ipv6 drop comment "not captured"' in rules("mesh-in")


def test_only_envoys_connection_to_the_pod_itself_is_taken_from_loopback() -> None:
    assert rules("mesh-in")[0].startswith('meta iifname "lo" meta mark 1337 ip daddr { 10.244.0.2 }')
    assert rules("mesh-in")[1] == 'meta iifname "lo" accept'


def test_a_node_without_pod_prefix_exempts_nobody() -> None:
    bare = view(POD, node=msgspec.structs.replace(NODE, pod_cidrs=()))
    assert "the node" not in nft_text.table(compile_capture(bare, POD))


def test_packets_to_the_application_from_outside_of_loopback_are_dropped() -> None:
    """A client that guesses the port of Envoy's connection must not reach the application round Envoy."""
    assert "ct mark 1338 drop" in TEXT
