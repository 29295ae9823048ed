"""From the name of a chain back to manifests."""

from __future__ import annotations

from builders import pod, policy, world
from nodeviews import view_of
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.origins import origins
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
