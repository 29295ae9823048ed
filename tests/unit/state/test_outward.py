from __future__ import annotations

from tandem.state.outward import HealthCheck, Outward


def test_equal_parts_are_equal_values_in_order() -> None:
    one = HealthCheck(port=31000, namespace="n", service="s", endpoints=1)
    two = HealthCheck(port=31001, namespace="a", service="a", endpoints=0)
    assert sorted([two, one]) == [one, two]
    assert Outward(addresses=("192.0.2.1",), checks=(one,)) == Outward(addresses=("192.0.2.1",), checks=(one,))
