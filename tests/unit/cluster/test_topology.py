from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from builders import node, service, world
from tandem.cluster.topology import CONTROL_PLANE, shares, with_hints, zones_of
from tandem.model.parse import parse

HALVES = {"a": Fraction(1, 2), "b": Fraction(1, 2)}


def ends(*zones: str, ready: bool = True) -> list[dict[str, Any]]:
    return [
        {"addresses": [f"10.0.0.{i}"], "conditions": {"ready": ready}, "nodeName": f"node-{z}", "zone": z}
        for i, z in enumerate(zones)
    ]


def hinted(
    endpoints: list[dict[str, Any]], mode: str = "", parts: dict[str, Fraction] | None = None, **spec: Any
) -> Any:
    meta = {
        "name": "web",
        "namespace": "n",
        "annotations": {"service.kubernetes.io/topology-mode": mode} if mode else {},
    }
    made = parse({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})
    assert isinstance(made, type(service("x")))
    return [e.get("hints") for e in with_hints(made, endpoints, parts or {})]


def zone(name: str) -> dict[str, Any]:
    return {"forZones": [{"name": name}]}


@pytest.mark.parametrize("wish", ["PreferClose", "PreferSameZone"])
def test_an_endpoint_is_for_its_own_zone(wish: str) -> None:
    assert hinted(ends("a", "b"), trafficDistribution=wish) == [zone("a"), zone("b")]


def test_same_node_names_the_node_and_falls_back_to_the_zone() -> None:
    assert hinted(ends("a"), trafficDistribution="PreferSameNode") == [{**zone("a"), "forNodes": [{"name": "node-a"}]}]


def test_without_a_wish_and_for_endpoints_that_are_not_ready_there_are_none() -> None:
    assert hinted(ends("a", "b")) == [None, None]
    assert hinted(ends("a", ready=False), trafficDistribution="PreferClose") == [None]


def test_auto_keeps_endpoints_in_their_zone_where_the_shares_fit() -> None:
    assert hinted(ends("a", "b", "a", "b"), "Auto", HALVES) == [zone(z) for z in "abab"]


def test_auto_moves_endpoints_to_a_zone_that_has_too_few() -> None:
    found = hinted(ends("a", "a", "a", "b"), "Auto", HALVES)
    assert Counter(h["forZones"][0]["name"] for h in found) == {"a": 2, "b": 2}
    assert found[3] == zone("b")
    found = hinted(ends("a", "a", "a", "a"), "auto", HALVES)
    assert Counter(h["forZones"][0]["name"] for h in found) == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("zones", "parts"),
    [
        ("a", HALVES),
        ("ab", {"a": Fraction(1)}),
        ("ac", HALVES),
        ("aab", HALVES),
        ("aabb", {}),
        ("aaaaa", {"a": Fraction(9, 10), "b": Fraction(1, 10)}),
    ],
    ids=["fewer-than-zones", "one-zone", "unknown-zone", "overload", "no-shares", "a-zone-would-have-none"],
)
def test_auto_gives_no_hints_where_they_would_overload_somebody(zones: str, parts: dict[str, Fraction]) -> None:
    assert hinted(ends(*zones), "Auto", parts) == [None] * len(zones)


def test_auto_comes_before_a_traffic_distribution() -> None:
    assert hinted(ends("a", "a"), "Auto", HALVES, trafficDistribution="PreferClose") == [zone("a"), zone("b")]


def test_shares_follow_cpus_and_else_the_number_of_nodes() -> None:
    told = world(node("1", zone="a", cpus="3"), node("2", zone="b", cpus="500m"), node("3", zone="b", cpus="0.5"))
    assert shares(told) == {"a": Fraction(3, 4), "b": Fraction(1, 4)}
    assert shares(world(node("1", zone="a", cpus="3"), node("2", zone="b"))) == HALVES


def test_control_planes_and_lost_nodes_do_not_count() -> None:
    control = node("2", zone="b", **{CONTROL_PLANE[0]: ""})
    assert shares(world(node("1", zone="a"), control, node("3", ready="Unknown"))) == {"a": Fraction(1)}


def test_a_node_without_a_zone_leaves_no_shares() -> None:
    made = world(node("1", zone="a"), node("2"))
    assert shares(made) == {}
    assert zones_of(made) == {"1": "a"}
