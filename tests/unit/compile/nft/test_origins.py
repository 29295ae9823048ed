"""From the name of a chain back to manifests."""

from __future__ import annotations

import msgspec

from builders import pod, policy, world
from nodeviews import view_of
from tandem.base.ids import PolicySetId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft.judged import used_sets
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.origins import Counts, counters, origins
from tandem.ir.node import NodeView
from tandem.ir.policy import Anyone, PortMatch, Rule, Side, Verdict
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


def _tiers() -> NodeView:
    """A pod with a set that has every tier, and a preview that has more."""
    seen = view_of(world(pod("a"), policy("p", ingress=[{"from": [{"podSelector": {}}]}, {"ports": [{"port": 80}]}])))
    (enforced,) = used_sets(seen)
    deny = Rule(peers=(Anyone(),), ports=(PortMatch(protocol="UDP"),), origin=ADMIN, verdict=Verdict.DENY)
    staged = Rule(peers=(Anyone(),), origin=STAGED, verdict=Verdict.DENY)
    preview = msgspec.structs.replace(
        enforced, id=PolicySetId("later"), admin=(deny, staged), isolated_by=(*enforced.isolated_by, STAGED)
    )
    beside = msgspec.structs.replace(enforced, admin=(deny,), preview=preview.id)
    return msgspec.structs.replace(seen, sets={beside.id: beside, preview.id: preview})


ADMIN = Origin(kind="ClusterNetworkPolicy", name="admin", path="spec.ingress[0]")
STAGED = Origin(kind="ClusterNetworkPolicy", name="staged", path="spec.ingress[0]")


def test_every_log_prefix_and_counter_leads_to_rules_also_what_is_only_told() -> None:
    seen = _tiers()
    table = compile_nft(seen)
    prefixes = {s.prefix for c in table.chains for r in c.rules for s in r.then if isinstance(s, nft.Log)}
    found = origins(seen)
    assert prefixes <= found.keys()
    assert {o.name for o in found["pv-later/ingress"]} == {"staged"}
    assert [prefix for prefix, by in found.items() if by == (ADMIN,)] == [
        f"{names.denied((ADMIN,))}/ingress",
        f"{names.denied((ADMIN,), staged=True)}/ingress",
    ]
    assert {prefix for prefix in prefixes if names.is_staged(prefix)} == {
        "pv-later/ingress",
        f"{names.denied((ADMIN,), staged=True)}/ingress",
        f"{names.denied((STAGED,), staged=True)}/ingress",
    }
    assert counters(seen).keys() == table.counters
    assert {(c.what, c.side, c.origins[0].path) for c in counters(seen).values() if c.origins[0].name == "p"} == {
        (Counts.ALLOWED, Side.INGRESS, "spec.ingress[0]"),
        (Counts.ALLOWED, Side.INGRESS, "spec.ingress[1]"),
        (Counts.DENIED, Side.INGRESS, "spec.ingress"),
    }
    assert {c.origins for c in counters(seen).values() if c.what is Counts.STAGED} == {(ADMIN,), (STAGED,)}
