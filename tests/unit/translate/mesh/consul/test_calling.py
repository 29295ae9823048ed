"""What upstreamConfig says of the calls of a Service's pods."""

from __future__ import annotations

from typing import Any

from builders import service
from consulworlds import defaults
from tandem.ir.calling import Calling, CallLimits
from tandem.ir.traffic import Outlier
from tandem.model.world import World
from tandem.translate.mesh.consul.calling import read_calling

WORLD = World.of([service("web"), service("db"), service("other", ns="shop")])
LIMITS = {"maxConnections": 3, "maxPendingRequests": 0, "maxConcurrentRequests": 5}


def read(**said: Any) -> tuple[Calling | None, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    source = defaults("web", upstreamConfig=said)
    found = read_calling(source, WORLD, lambda path, code, _: told.append((code, path)))
    return found, told


def test_parts_of_one_come_before_those_of_all() -> None:
    health = {"interval": "3s", "maxFailures": 2, "maxEjectionPercent": 100, "baseEjectionTime": "20s"}
    found, told = read(
        defaults={"limits": LIMITS, "connectTimeoutMs": 700},
        overrides=[
            {"name": "db", "passiveHealthCheck": health},
            {"name": "other", "namespace": "shop", "limits": {}, "connectTimeoutMs": 50},
        ],
    )
    outlier = Outlier(errors=2, interval_ms=3000, ejection_ms=20_000, most_percent=100)
    bound = CallLimits(connections=3, pending=0, requests=5, connect_ms=700)
    assert found is not None
    assert (found.namespace, found.service, found.general, told) == ("default", "web", bound, [])
    assert dict(found.named) == {
        "default/db": CallLimits(connections=3, pending=0, requests=5, connect_ms=700, outlier=outlier),
        "shop/other": CallLimits(connect_ms=50),
    }


def test_what_has_no_counterpart_is_named_and_does_not_count() -> None:
    odd = {
        "protocol": "http",
        "peer": "p",
        "partition": "q",
        "envoyClusterJSON": "{}",
        "meshGateway": {"mode": "local"},
    }
    found, told = read(defaults=odd, overrides=[{"name": "db", "limits": LIMITS, "envoyListenerJSON": "{}"}])
    at = "spec.upstreamConfig.defaults"
    assert sorted(told) == sorted(
        [
            *(("UnsupportedField", f"{at}.{name}") for name in ("partition", "peer", "envoyClusterJSON", "protocol")),
            ("UnsupportedField", f"{at}.meshGateway.mode"),
            ("UnsupportedField", "spec.upstreamConfig.overrides[0].envoyListenerJSON"),
        ]
    )
    assert found is not None
    assert found.general is None


def test_one_that_is_not_there_or_twice_there_does_not_count() -> None:
    found, told = read(overrides=[{"name": "gone"}, {}, {"name": "db", "limits": LIMITS}, {"name": "db"}])
    at = "spec.upstreamConfig.overrides"
    assert told == [
        ("BackendNotFound", f"{at}[0].name"),
        ("InvalidValue", f"{at}[1].name"),
        ("InvalidValue", f"{at}[3].name"),
    ]
    assert found is not None
    assert list(dict(found.named)) == ["default/db"]


def test_a_part_of_failures_is_not_known_and_none_lets_nobody_rest() -> None:
    found, told = read(defaults={"passiveHealthCheck": {"enforcingConsecutive5xx": 60}})
    assert told == [("UnsupportedValue", "spec.upstreamConfig.defaults.passiveHealthCheck.enforcingConsecutive5xx")]
    assert found is not None
    assert found.general == CallLimits(outlier=Outlier())
    found, _ = read(defaults={"passiveHealthCheck": {"enforcingConsecutive5xx": 0}})
    assert found is not None
    assert found.general == CallLimits(outlier=Outlier(errors=0))


def test_what_says_nothing_is_nothing() -> None:
    assert read(defaults={}, overrides=[{"name": "db"}]) == (None, [])
    assert read() == (None, [])
