"""localityLbSetting; each mistake at its field is in tests/golden/mesh/locality-refused."""

from __future__ import annotations

from typing import Any

import msgspec

from meshworlds import dr
from tandem.ir.locality import (
    Distribution,
    Failover,
    Locality,
    LocalityBalancing,
    Portion,
    Preference,
    locality_of,
)
from tandem.model.istio import LocalitySettings
from tandem.translate.mesh.istio.locality import idle_settings, own_locality, read_locality


def read(**setting: Any) -> tuple[LocalityBalancing, list[tuple[str, str]]]:
    wrongs: list[tuple[str, str]] = []
    asked = msgspec.convert(setting, LocalitySettings)
    return read_locality(asked, "at", lambda path, code, _: wrongs.append((path, code))), wrongs


def test_a_star_is_as_good_as_nothing_and_entries_keep_their_order() -> None:
    found, wrongs = read(
        distribute=[{"from": "eu/west/*", "to": {"eu": 60, "us/*": 40}}, {"from": "*", "to": {"eu": 100}}]
    )
    eu, us = locality_of("eu"), locality_of("us")
    portions = (Portion(to=eu, percent=60), Portion(to=us, percent=40))
    assert found.distribute == (
        Distribution(clients=locality_of("eu/west"), portions=portions),
        Distribution(clients=Locality(), portions=(Portion(to=eu, percent=100),)),
    )
    assert wrongs == []


def test_regions_and_labels() -> None:
    found, wrongs = read(failover=[{"from": "eu", "to": "us"}], failoverPriority=["version=", "kubernetes.io/hostname"])
    assert found.failover == (Failover(region="eu", to="us"),)
    assert found.preferences == (Preference(label="version", value=""), Preference(label="kubernetes.io/hostname"))
    assert wrongs == []


def test_mistakes_are_told_where_it_is_not_enabled_too() -> None:
    found, wrongs = read(enabled=False, distribute=[{"from": "", "to": {}}])
    assert not found.enabled
    assert wrongs == [("at.distribute[0].from", "InvalidValue"), ("at.distribute[0].to", "InvalidValue")]


def test_a_label_has_points_for_slashes_and_the_field_comes_first() -> None:
    assert own_locality("", {"istio-locality": "eu.west.1"}) == locality_of("eu/west/1")
    assert own_locality("us", {"istio-locality": "eu.west.1"}) == locality_of("us")
    assert own_locality("", {"app": "web"}) is None


def idle(**spec: Any) -> list[tuple[str, str]]:
    return [(p.at.path, p.severity.value) for p in idle_settings(dr(host="web", **spec))]


def test_what_needs_outlier_detection_says_so() -> None:
    near: dict[str, Any] = {"loadBalancer": {"localityLbSetting": {"enabled": True}}}
    watched = near | {"outlierDetection": {}}
    at = "loadBalancer.localityLbSetting"
    assert idle(trafficPolicy=near) == [(f"spec.trafficPolicy.{at}", "warning")]
    assert idle(trafficPolicy=watched) == []
    v1 = {"name": "v1", "labels": {}, "trafficPolicy": near}
    assert idle(trafficPolicy={"outlierDetection": {}}, subsets=[v1]) == []
    assert idle(subsets=[v1]) == [(f"spec.subsets[0].trafficPolicy.{at}", "warning")]
    port = {"port": {"number": 80}, **near}
    assert idle(trafficPolicy={"outlierDetection": {}, "portLevelSettings": [port]}) == [
        (f"spec.trafficPolicy.portLevelSettings[0].{at}", "warning")
    ]
    off = {"loadBalancer": {"localityLbSetting": {"enabled": False}}}
    assert idle(trafficPolicy=off) == []
