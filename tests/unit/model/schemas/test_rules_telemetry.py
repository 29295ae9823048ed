"""Telemetry and ProxyConfig as the API server takes them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate

LOGGING = {
    "match": {"mode": "SERVER"},
    "providers": [{"name": "envoy"}],
    "disabled": False,
    "filter": {"expression": "response.code >= 400"},
}
TRACING = {
    "match": {"mode": "CLIENT"},
    "providers": [{"name": "zipkin"}],
    "randomSamplingPercentage": 12.5,
    "disableSpanReporting": False,
    "disableContextPropagation": False,
    "useRequestIdForTraceSampling": True,
    "enableIstioTags": True,
    "customTags": {
        "a": {"literal": {"value": "b"}},
        "c": {"environment": {"name": "D", "defaultValue": "e"}},
        "f": {"header": {"name": "g", "defaultValue": "h"}},
        "i": {"formatter": {"value": "%REQ(:PATH)%"}},
    },
}
OVERRIDE = {
    "match": {"metric": "REQUEST_COUNT", "mode": "CLIENT_AND_SERVER"},
    "disabled": False,
    "tagOverrides": {"a": {"operation": "UPSERT", "value": "request.host"}, "b": {"operation": "REMOVE"}},
}
METRICS = {"providers": [{"name": "prometheus"}], "overrides": [OVERRIDE], "reportingInterval": "5s"}


def telemetry(version: str = "v1", **spec: Any) -> list[str]:
    raw = {"apiVersion": f"telemetry.istio.io/{version}", "kind": "Telemetry", "metadata": {"name": "a"}, "spec": spec}
    return validate(raw)


def proxy(**spec: Any) -> list[str]:
    meta = {"name": "a"}
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": meta, "spec": spec}
    return validate(raw)


@pytest.mark.parametrize("version", ["v1", "v1alpha1"])
def test_every_field_of_telemetry_is_known(version: str) -> None:
    selector = {"matchLabels": {"app": "web"}}
    assert telemetry(version, selector=selector, accessLogging=[LOGGING], tracing=[TRACING], metrics=[METRICS]) == []
    ref = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    assert telemetry(version, targetRefs=[ref]) == []
    assert telemetry(version, targetRef=ref) == []


def test_every_field_of_proxy_config_is_known() -> None:
    selector = {"matchLabels": {"app": "web"}}
    spec = {"concurrency": 0, "environmentVariables": {"A": "b"}, "image": {"imageType": "debug"}}
    assert proxy(selector=selector, **spec) == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"logging": []}, "spec.logging: unknown field"),
        ({"accessLogging": [{"filter": {"expr": "a"}}]}, "spec.accessLogging[0].filter.expr: unknown field"),
        ({"accessLogging": [{"match": {"mode": "BOTH"}}]}, "spec.accessLogging[0].match.mode: "),
        ({"accessLogging": [{"providers": [{}]}]}, "spec.accessLogging[0].providers[0].name: "),
        ({"tracing": [{"randomSamplingPercentage": 101}]}, "spec.tracing[0].randomSamplingPercentage: 101 is not"),
        (
            {"tracing": [{"customTags": {"a": {"literal": {"value": "b"}, "header": {"name": "c"}}}}]},
            "spec.tracing[0].customTags[a].header: may not be given together with literal",
        ),
        (
            {"metrics": [{"overrides": [{"match": {"metric": "REQUEST_SIZE", "customMetric": "a"}}]}]},
            "spec.metrics[0].overrides[0].match.customMetric: may not be given together with metric",
        ),
        (
            {"metrics": [{"overrides": [{"tagOverrides": {"a": {"operation": "UPSERT"}}}]}]},
            "spec.metrics[0].overrides[0].tagOverrides[a].value: is required for the operation UPSERT",
        ),
        (
            {"metrics": [{"overrides": [{"tagOverrides": {"a": {"operation": "REMOVE", "value": "b"}}}]}]},
            "spec.metrics[0].overrides[0].tagOverrides[a].value: may not be given for the operation REMOVE",
        ),
        (
            {"selector": {"matchLabels": {"a": "b"}}, "targetRefs": [{"kind": "Service", "name": "a"}]},
            "spec.targetRefs: may not be given together with selector",
        ),
    ],
)
def test_what_telemetry_may_not_say(spec: dict[str, Any], told: str) -> None:
    (found,) = telemetry(**spec)
    assert found.startswith(told)


def test_what_proxy_config_may_not_say() -> None:
    assert proxy(concurrency=-1)[0].startswith("spec.concurrency: -1 is not between")
    assert proxy(concurrency=2**31) == [f"spec.concurrency: {2**31} is not a number of threads"]
    assert proxy(threads=1) == ["spec.threads: unknown field"]


@pytest.mark.parametrize(
    ("kind", "api", "instead"),
    [
        ("EnvoyFilter", "networking.istio.io/v1alpha3", ("RateLimit", "FaultInjection", "CUSTOM", "Telemetry")),
        ("WasmPlugin", "extensions.istio.io/v1alpha1", ("RateLimit", "RequestAuthentication", "CUSTOM")),
    ],
)
def test_code_and_patches_for_envoy_are_refused_with_what_there_is_instead(
    kind: str, api: str, instead: tuple[str, ...]
) -> None:
    (found,) = validate({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": {}})
    assert found.startswith(f"kind: {api} {kind} is not served: ")
    assert all(name in found for name in instead)
