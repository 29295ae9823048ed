"""From the name of a chain back to manifests."""

from __future__ import annotations

from builders import pod, policy, world
from nodeviews import view_of
from tandem.compile.names import allowed
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.origins import Counts, counters, origins
from tandem.ir.policy import Side
from tandem.state import nft


def test_every_log_prefix_and_policy_chain_has_its_policies() -> None:
    view = view_of(world(pod("a"), policy("p", policyTypes=["Ingress", "Egress"])))
    table = compile_nft(view)
    prefixes = {s.prefix for c in table.chains for r in c.rules for s in r.then if isinstance(s, nft.Log)}
    chains = {c.name for c in table.chains if c.name.startswith("ps-")}
    found = origins(view)
    assert found.keys() == prefixes | chains
    assert {(o.name, o.path) for each in found.values() for o in each} == {
        ("p", "spec.ingress"),
        ("p", "spec.egress"),
    }


def test_every_rule_that_allows_has_a_counter() -> None:
    rules = [{"from": [{"podSelector": {}}]}, {"ports": [{"port": 80}]}]
    found = counters(view_of(world(pod("a"), policy("p", ingress=rules))))
    assert {(c.what, c.side, c.origins[0].path) for c in found.values()} == {
        (Counts.ALLOWED, Side.INGRESS, "spec.ingress[0]"),
        (Counts.ALLOWED, Side.INGRESS, "spec.ingress[1]"),
    }
    assert found.keys() == {allowed(c.origins[0]) for c in found.values()}
