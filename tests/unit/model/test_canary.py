"""What a Canary says about itself."""

from __future__ import annotations

import msgspec

from meshworlds import canary


def test_a_weight_counts_for_the_spec_that_it_was_reached_with() -> None:
    reached = canary(status={"weight": 60})
    assert reached.weight == 60
    swapped = msgspec.structs.replace(reached.spec, stable=reached.spec.canary, canary=reached.spec.stable)
    assert msgspec.structs.replace(reached, spec=swapped).weight == 0
    assert canary().weight == 0


def test_what_is_judged_may_change_under_way_and_what_is_divided_may_not() -> None:
    before = canary()
    assert canary(analysis={"failures": 9}, progressDeadline="1h").revision == before.revision
    for other in ({"steps": [{"weight": 20}]}, {"match": [{"headers": [{"name": "x", "value": "y"}]}]}):
        assert canary(**other).revision != before.revision


def test_a_weight_that_nobody_here_wrote_is_kept_within_its_bounds() -> None:
    assert canary(status={"weight": 900}).weight == 100


def test_a_version_is_a_service_or_a_subset_of_the_canarys_own() -> None:
    found = canary(stable={"subset": "v1"})
    assert found.version(found.spec.stable) == ("web", "v1")
    assert found.version(found.spec.canary) == ("web-v2", "")
