"""TLSRoute, as it is parsed."""

from __future__ import annotations

from gatewayworlds import tlsroute
from tandem.model.kinds import BY_KIND
from tandem.model.tcproute import ConnectionRule, WeightedRef


def test_its_rules_are_those_of_connections_and_it_may_have_names() -> None:
    spec = tlsroute("a.test", "*.b.test").spec
    assert spec.hostnames == ("a.test", "*.b.test")
    assert spec.rules == (ConnectionRule(backend_refs=(WeightedRef(name="web", port=80, weight=1),)),)
    assert tlsroute().spec.hostnames == ()


def test_it_is_served_in_the_versions_that_upstream_serves() -> None:
    assert BY_KIND["TLSRoute"].versions == ("v1", "v1alpha2", "v1alpha3")
