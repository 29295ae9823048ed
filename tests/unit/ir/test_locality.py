"""Localities."""

from __future__ import annotations

from tandem.ir.locality import Locality, LocalityBalancing, locality_of
from tandem.ir.traffic import Outlier, PortTraffic, Subset, Traffic, TrafficPolicy


def test_what_a_text_leaves_out_is_empty() -> None:
    assert locality_of("eu/west/1") == Locality(region="eu", zone="west", subzone="1")
    assert locality_of("eu") == Locality(region="eu")
    assert [str(locality_of(text)) for text in ("eu/west/1", "eu/west", "eu", "")] == [
        "eu/west/1",
        "eu/west",
        "eu",
        "nowhere",
    ]


def test_the_first_part_that_differs_says_how_far_it_is() -> None:
    here = locality_of("eu/west/1")
    known = ("eu/west/1", "eu/west/2", "eu/west", "eu/east/1", "eu", "us/west/1", "")
    assert [here.distance(locality_of(text)) for text in known] == [0, 1, 1, 2, 2, 3, 3]


def test_a_pattern_covers_what_it_does_not_tell_apart() -> None:
    assert Locality().covers(locality_of("eu/west"))
    assert locality_of("eu").covers(locality_of("eu/west/1"))
    assert not locality_of("eu/west").covers(locality_of("eu"))
    assert not locality_of("eu/west").covers(locality_of("us/west"))


def test_the_meshs_own_is_used_where_a_rule_says_nothing() -> None:
    off, own = LocalityBalancing(enabled=False), LocalityBalancing()
    policy = TrafficPolicy(
        namespace="shop",
        service="web",
        ports=(PortTraffic(port=80, traffic=Traffic(locality=own)), PortTraffic(port=81, traffic=Traffic())),
        subsets=(Subset(name="a", labels=()), Subset(name="b", labels=(), traffic=Traffic(locality=own))),
    ).settled(off)
    a, b = policy.subsets
    assert [policy.of(port).locality for port in (80, 81, 82)] == [own, off, off]
    assert (a.traffic, policy.of(82, a).locality, policy.of(82, b).locality) == (None, off, own)


def test_nearness_counts_with_outlier_detection_and_portions_always() -> None:
    assert Traffic().by_locality is None
    assert Traffic(outlier=Outlier()).by_locality is not None
