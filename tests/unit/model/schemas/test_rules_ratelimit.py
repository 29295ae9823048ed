"""What no RateLimit may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from meshworlds import limit_at
from tandem.model.schema import validate

REF = {"name": "counter", "port": 8081}
LIMIT: dict[str, Any] = {"requests": 3, "unit": "Minute"}


def mistakes(**spec: Any) -> list[str]:
    given = {"targetRefs": [limit_at("Service", "web")], "limits": [LIMIT], **spec}
    raw = {"apiVersion": "tandem.io/v1", "kind": "RateLimit", "metadata": {"name": "few", "namespace": "shop"}}
    return validate({**raw, "spec": {k: v for k, v in given.items() if v is not None}})


def limits(**fields: Any) -> dict[str, Any]:
    return {"limits": [{**LIMIT, **fields}]}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"targetRefs": [limit_at(k, "x", "s") for k in ("Service", "HTTPRoute", "GRPCRoute", "Gateway")]},
        {"targetRefs": [limit_at("HTTPRoute", "x"), limit_at("HTTPRoute", "x", "rule")]},
        {"targetRefs": [{"kind": "Service", "name": "web"}]},
        {"retryAfter": False, "limitHeaders": True},
        {"counter": {"backendRef": {"name": "counter", "port": 8081}, "timeout": "50ms", "onFailure": "Allow"}},
        limits(burst=10, by=[{"type": "Header", "name": "X-User"}, {"type": "Header", "name": "x-b"}]),
        limits(by=[{"type": "Claim", "name": "realm.roles"}, {"type": "Namespace"}]),
        limits(matches=[{"method": "GET"}, {"path": {"value": "/a"}, "headers": [{"name": "a", "value": "b"}]}]),
    ],
)
def test_a_sound_one_is_taken(spec: dict[str, Any]) -> None:
    assert mistakes(**spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"targetRefs": None}, "spec.targetRefs"),
        ({"targetRefs": []}, "spec.targetRefs: between"),
        ({"targetRefs": [limit_at("Service", f"s{i}") for i in range(17)]}, "spec.targetRefs: between"),
        ({"targetRefs": [limit_at("Service", "a"), {"kind": "Service", "name": "a"}]}, "spec.targetRefs[1]: the same"),
        ({"targetRefs": [{"kind": "Pod", "name": "a"}]}, "spec.targetRefs[0]: /Pod"),
        ({"targetRefs": [{"kind": "HTTPRoute", "name": "a"}]}, "spec.targetRefs[0]: /HTTPRoute"),
        ({"targetRefs": [{**limit_at("Service", "a"), "namespace": "b"}]}, "spec.targetRefs[0].namespace: unknown"),
        ({"limits": []}, "spec.limits: between"),
        (limits(requests=0), "spec.limits[0].requests: 0"),
        (limits(burst=0), "spec.limits[0].burst: 0"),
        (limits(unit="Day"), "spec.limits[0].unit"),
        (limits(per="Day"), "spec.limits[0].per: unknown"),
        (limits(by=[{"type": "Moon"}]), "spec.limits[0].by[0].type"),
        (limits(by=[{"type": "Header"}]), "spec.limits[0].by[0].name"),
        (limits(by=[{"type": "Header", "name": "a b"}]), "spec.limits[0].by[0].name"),
        (limits(by=[{"type": "Claim", "name": "a..b"}]), "spec.limits[0].by[0].name"),
        (limits(by=[{"type": "Path", "name": "a"}]), "spec.limits[0].by[0].name: does not belong"),
        (
            limits(by=[{"type": "Header", "name": "A"}, {"type": "Header", "name": "a"}]),
            "spec.limits[0].by[1]: the same",
        ),
        (limits(matches=[{}]), "spec.limits[0].matches[0]: path"),
        (limits(matches=[{"path": {"value": "a"}}]), "spec.limits[0].matches[0].path.value"),
        (
            limits(matches=[{"headers": [{"name": "a", "value": "1"}, {"name": "A", "value": "2"}]}]),
            "spec.limits[0].matches[0].headers[1].name",
        ),
        ({"counter": {"backendRef": {"name": "counter"}}}, "spec.counter.backendRef.port"),
        ({"counter": {"backendRef": REF, "timeout": "1m"}}, "spec.counter.timeout"),
        ({"counter": {"backendRef": REF, "onFailure": "Maybe"}}, "spec.counter.onFailure"),
        ({"counter": {"backendRef": REF}, **limits(burst=9)}, "spec.limits[0].burst: has no meaning"),
        (limits(matches=[{"method": "get"}]), "spec.limits[0].matches[0].method"),
    ],
)
def test_a_mistake_has_its_path(spec: dict[str, Any], path: str) -> None:
    (found,) = mistakes(**spec)
    assert found.startswith(path)


def test_who_writes_into_envoys_configuration_elsewhere_is_told_what_there_is() -> None:
    raw = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "a"}}
    (found,) = validate(raw)
    assert found.startswith("kind: networking.istio.io/v1alpha3 EnvoyFilter is not served: ")
    assert "tandem.io/v1 RateLimit" in found
