"""Which part of a policy holds for a port."""

from __future__ import annotations

import msgspec

from tandem.ir.traffic import CallersPolicy, LoadBalancer, PortTraffic, Subset, Traffic, TrafficPolicy

GENERAL, PORT, SUBSET, SUBSET_PORT = (Traffic(connect_timeout_ms=ms) for ms in (1, 2, 3, 4))


def test_the_nearest_part_holds() -> None:
    plain = Subset(name="a", labels=())
    own = Subset(name="b", labels=(), traffic=SUBSET, ports=(PortTraffic(port=80, traffic=SUBSET_PORT),))
    ports = (PortTraffic(port=80, traffic=PORT),)
    policy = TrafficPolicy(namespace="n", service="s", traffic=GENERAL, ports=ports, subsets=(plain, own))
    assert [policy.of(81), policy.of(80)] == [GENERAL, PORT]
    assert [policy.of(81, plain), policy.of(80, plain)] == [GENERAL, PORT]
    assert [policy.of(81, own), policy.of(80, own)] == [SUBSET, SUBSET_PORT]


def test_what_changes_a_policy_changes_it_for_all_callers() -> None:
    few = Subset(name="few", labels=())
    own = CallersPolicy(namespace="a", labels=(("x", "1"),), policy=TrafficPolicy(namespace="n", service="s"))
    policy = TrafficPolicy(namespace="n", service="s", subsets=(Subset(name="all", labels=()),), callers=(own,))
    changed = policy.each(lambda one: msgspec.structs.replace(one, traffic=PORT, subsets=(*one.subsets, few)))
    assert (changed.traffic, changed.callers[0].policy.traffic) == (PORT, PORT)
    assert changed.subset_names == ("all", "few")
    assert [own.covers("a", labels) for labels in ((), (("x", "1"), ("y", "2")))] == [False, True]
    assert not own.covers("b", (("x", "1"),))


def test_least_request_is_what_holds_where_nothing_is_said() -> None:
    assert TrafficPolicy(namespace="n", service="s").of(80).lb is LoadBalancer.LEAST_REQUEST
