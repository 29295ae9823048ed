"""Fields that the published types lack reach Envoy all the same."""

from __future__ import annotations

from tandem.drivers.xds.encode import encode_tree
from tandem.drivers.xds.newer import without_newer

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
BUDGET = {"budget_percent": {"value": 20}, "budget_interval": "10.500s"}
TREE = {"name": "a", "circuit_breakers": {"thresholds": [{"max_retries": 1}, {"retry_budget": BUDGET}]}}


def test_an_interval_is_field_three_of_its_budget() -> None:
    interval = b"\x1a\x08\x08\x0a\x10\x80\xca\xb5\xee\x01"
    assert interval in encode_tree(CLUSTER, TREE)


def test_the_tree_stays_as_it_is() -> None:
    body, held = without_newer(TREE)
    assert held == ((1, "10.500s"),)
    assert body["circuit_breakers"]["thresholds"][1] == {"retry_budget": {"budget_percent": {"value": 20}}}
    assert BUDGET["budget_interval"] == "10.500s"
    assert without_newer({"name": "a"}) == ({"name": "a"}, ())
