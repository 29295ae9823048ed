"""What a Draft says of itself."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.ir.policy import Side
from tandem.translate.policy.draft import EVERY_POD, Draft, Judgement, Tier

AT = Origin(kind="NetworkPolicy", namespace="default", name="p")


def test_a_side_that_is_not_judged_is_none() -> None:
    judgement = Judgement(origin=AT, clauses=())
    draft = Draft(origin=AT, tier=Tier.NETWORK, order=("default", "p"), subject=EVERY_POD, egress=judgement)
    assert draft.side(Side.INGRESS) is None
    assert draft.side(Side.EGRESS) is judgement


def test_tiers_come_before_the_order_in_them() -> None:
    drafts = [
        Draft(origin=AT, tier=tier, order=order, subject=EVERY_POD)
        for tier, order in ((Tier.BASELINE, (1, 0, "a")), (Tier.NETWORK, ("a", "a")), (Tier.ADMIN, (1000, 0, "z")))
    ]
    assert [d.tier for d in sorted(drafts, key=lambda d: d.key)] == [Tier.ADMIN, Tier.NETWORK, Tier.BASELINE]
