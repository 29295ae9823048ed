"""TCPRoute, as it is parsed."""

from __future__ import annotations

from gatewayworlds import tcproute
from tandem.model.tcproute import ConnectionRule, WeightedRef


def test_a_backend_has_a_weight_of_one_unless_it_says_otherwise() -> None:
    (rule,) = tcproute().spec.rules
    assert rule == ConnectionRule(backend_refs=(WeightedRef(name="web", port=80, weight=1),))
