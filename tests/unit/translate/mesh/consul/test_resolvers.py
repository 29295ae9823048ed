"""What a resolver says of its service's endpoints; where it leads is in test_chains.py."""

from __future__ import annotations

from typing import Any

import pytest

from consulworlds import resolver, versions
from tandem.base.problems import Severity
from tandem.ir.traffic import ByAddress, ByCookie, ByHeader, ByQuery, LoadBalancer, Traffic, TrafficPolicy
from tandem.ir.traffic import Subset as IrSubset
from tandem.model.world import World
from tandem.translate.mesh.consul.resolvers import Resolver, Target, read_resolvers, under

KEY = ("default", "web")


def one(**spec: Any) -> Resolver:
    found = read_resolvers(World.of([resolver("web", **spec)]))
    assert found.problems == ()
    return found.found[KEY]


def traffic(**spec: Any) -> Traffic:
    return one(**spec).policy.traffic


def test_only_passing_is_told_to_change_nothing() -> None:
    found = read_resolvers(World.of([resolver("web", subsets={"v1": {"onlyPassing": True}})]))
    assert [(p.at.path, p.code) for p in found.problems] == [("spec.subsets[v1].onlyPassing", "NoEffect")]
    assert [subset.name for subset in found.found[KEY].policy.subsets] == ["v1"]


def test_times() -> None:
    assert traffic().connect_timeout_ms == 5000
    assert traffic(connectTimeout="1s").connect_timeout_ms == 1000
    assert [one(**spec).request_ms for spec in ({}, {"requestTimeout": "1s"}, {"requestTimeout": "-1s"})] == [
        None,
        1000,
        0,
    ]


@pytest.mark.parametrize("policy", ["random", "round_robin", "least_request", "ring_hash", "maglev"])
def test_balancers(policy: str) -> None:
    assert traffic(loadBalancer={"policy": policy}).lb is LoadBalancer[policy.upper()]


def test_what_chooses_an_endpoint() -> None:
    keys = [
        {"field": "header", "fieldValue": "X-A", "terminal": True},
        {"field": "query_parameter", "fieldValue": "q"},
        {"field": "cookie", "fieldValue": "c"},
        {"field": "cookie", "fieldValue": "s", "cookieConfig": {"session": True, "path": "/"}},
        {"field": "cookie", "fieldValue": "t", "cookieConfig": {"ttl": "1500ms"}},
        {"sourceIP": True},
    ]
    sizes = {"minimumRingSize": 8, "maximumRingSize": 64}
    found = traffic(loadBalancer={"policy": "ring_hash", "ringHashConfig": sizes, "hashPolicies": keys})
    assert found.hash == (
        ByHeader(name="x-a", terminal=True),
        ByQuery(name="q"),
        ByCookie(name="c"),
        ByCookie(name="s", path="/", ttl_s=0),
        ByCookie(name="t", ttl_s=2),
        ByAddress(),
    )
    assert (found.table_size, found.table_most) == (8, 64)
    assert traffic(loadBalancer={"policy": "least_request", "leastRequestConfig": {"choiceCount": 5}}).choices == 5


def test_localities() -> None:
    for mode, enabled in (("none", False), ("failover", True)):
        found = traffic(prioritizeByLocality={"mode": mode}).locality
        assert found is not None
        assert found.enabled is enabled


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"redirect": {"service": "b", "datacenter": "x"}}, "spec.redirect.datacenter", "UnsupportedField"),
        ({"redirect": {"samenessGroup": "x"}}, "spec.redirect.samenessGroup", "UnsupportedField"),
        ({"defaultSubset": "v1"}, "spec.defaultSubset", "InvalidValue"),
        ({"failover": {"v1": {"service": "b"}}}, "spec.failover[v1]", "InvalidValue"),
        ({"subsets": {"v1": {"filter": "Node.ID == x"}}}, "spec.subsets[v1].filter", "UnsupportedValue"),
        ({"connectTimeout": "x"}, "spec.connectTimeout", "InvalidValue"),
    ],
)
def test_what_is_not_enforced_refuses_the_whole(spec: Any, path: str, code: str) -> None:
    found = read_resolvers(World.of([resolver("web", **spec)]))
    assert found.found == {}
    assert [(p.at.path, p.code) for p in found.problems] == [(path, code)]


def test_another_service_has_no_subset_of_this_one() -> None:
    place = Target("shop", "web", "v1")
    spec = resolver("web", redirect={"service": "b"}).spec
    assert spec.redirect is not None
    assert place.elsewhere(spec.redirect) == Target("shop", "b")
    same = resolver("web", redirect={"service": "web", "namespace": "other"}).spec
    assert same.redirect is not None
    assert place.elsewhere(same.redirect) == Target("other", "web", "v1")


def test_destination_rules_come_first_and_subsets_are_added() -> None:
    labels = (("a", "b"),)
    rule = TrafficPolicy(
        namespace="default",
        service="web",
        traffic=Traffic(connect_timeout_ms=7),
        subsets=(IrSubset(name="v2", labels=labels),),
    )
    made = one(subsets=versions("v1", "v2"), connectTimeout="1s", loadBalancer={"policy": "random"})
    policies, problems = under({KEY: made}, {KEY: rule})
    assert policies[KEY].traffic == rule.traffic
    assert [(s.name, s.labels == labels) for s in policies[KEY].subsets] == [("v1", False), ("v2", True)]
    assert {p.at.path for p in problems} == {"spec.connectTimeout", "spec.loadBalancer", "spec.subsets[v2]"}
    assert {(p.code, p.severity) for p in problems} == {("Shadowed", Severity.WARNING)}
    assert under({KEY: made}, {}) == ({KEY: made.policy}, ())
