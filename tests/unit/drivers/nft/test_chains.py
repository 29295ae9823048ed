"""What of chains and rules is written by hand; that it is right is in tests/contract/test_nft_chains.py."""

from __future__ import annotations

import pytest

from tandem.drivers.nft.chains import chain_messages
from tandem.drivers.nft.plan import AddChain, AddCounters, AddRules, DeleteChain, FlushChain
from tandem.state import nft
from tandem.state.nft import Field

HOOK = nft.Hook(type="filter", hook="forward", priority=0)
PLAIN = nft.Rule(match=(nft.Is(Field.L4PROTO, "tcp"),), then=(nft.Accept(),))


@pytest.mark.parametrize(
    "operation",
    [
        AddChain("c", HOOK),
        DeleteChain("c", base=True),
        AddRules("c", (PLAIN, nft.Rule(then=(nft.Masquerade(),)))),
        AddRules("c", (nft.Rule(match=(nft.OneOf(Field.DPORT, (80, 81)),), then=(nft.Drop(),)),)),
        AddRules("c", (nft.Rule(match=(nft.Is(Field.DPORT, nft.Range(80, 81)),), then=(nft.Drop(),)),)),
        AddRules("c", (nft.Rule(match=(nft.InSet((Field.IIFNAME,), "s"),), then=(nft.Drop(),)),)),
        AddRules("c", (nft.Rule(match=(nft.Is(Field.SADDR4, "10.0.0.1"),), then=(nft.Drop(),)),)),
    ],
)
def test_all_else_is_left_to_libnftables(operation: object) -> None:
    assert chain_messages(operation, "tandem", "inet") is None


def test_rules_of_the_bridge_are_left_too() -> None:
    assert chain_messages(AddRules("c", (PLAIN,)), "tandem", "bridge") is None
    assert chain_messages(FlushChain("c"), "tandem", "bridge") is not None


def test_each_rule_and_counter_is_a_message() -> None:
    assert len(chain_messages(AddRules("c", (PLAIN, PLAIN)), "tandem", "inet") or ()) == 2
    assert len(chain_messages(AddCounters(frozenset("ab")), "tandem", "inet") or ()) == 2
