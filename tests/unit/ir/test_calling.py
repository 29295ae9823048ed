"""What callers see of a Service's policy."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.ir.calling import Calling, CallLimits
from tandem.ir.traffic import Limits, Outlier, PortTraffic, Subset, Traffic, TrafficPolicy

ORIGIN = Origin(kind="ServiceDefaults", namespace="shop", name="web")


def test_limits_of_calls_lie_over_the_service_s_own_everywhere() -> None:
    own = Traffic(limits=Limits(connections=9, retries=2), connect_timeout_ms=500)
    policy = TrafficPolicy(
        namespace="shop",
        service="db",
        traffic=own,
        ports=(PortTraffic(port=80, traffic=Traffic()),),
        subsets=(Subset(name="a", labels=()), Subset(name="b", labels=(), traffic=own)),
    )
    found = CallLimits(connections=1, outlier=Outlier()).over(policy)
    laid = Traffic(limits=Limits(connections=1, retries=2), connect_timeout_ms=500, outlier=Outlier())
    assert found.traffic == laid
    assert found.ports[0].traffic == Traffic(limits=Limits(connections=1), outlier=Outlier())
    assert [subset.traffic for subset in found.subsets] == [None, laid]


def test_one_is_named_or_is_among_all_others_and_hosts_outside_are_none() -> None:
    few, many = CallLimits(requests=1), CallLimits(requests=9)
    calling = Calling(namespace="shop", service="web", named=(("shop/db", few),), general=many, origin=ORIGIN)
    assert (calling.of("shop", "db"), calling.of("a", "b"), calling.of("a", "b.test")) == (few, many, None)
