"""The record of a rule's count travels as JSON."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin
from tandem.observe.counts import RuleCount


def test_it_is_the_same_after_the_journey() -> None:
    rule = Origin(kind="NetworkPolicy", namespace="shop", name="web", path="spec.ingress[0]", source="a.yaml:3")
    made = RuleCount(rule=rule, verdict="allowed", direction="ingress", count=3)
    assert msgspec.json.decode(msgspec.json.encode(made), type=RuleCount) == made
