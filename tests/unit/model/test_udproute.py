"""UDPRoute, as it is parsed."""

from __future__ import annotations

from gatewayworlds import udproute
from tandem.model.tcproute import ConnectionRule, WeightedRef


def test_a_backend_has_a_weight_of_one_unless_it_says_otherwise() -> None:
    assert udproute().spec.rules == (ConnectionRule(backend_refs=(WeightedRef(name="dns", port=53, weight=1),)),)
