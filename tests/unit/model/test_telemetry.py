"""Telemetry and ProxyConfig as they are read."""

from __future__ import annotations

from typing import Any

from tandem.model.parse import parse
from tandem.model.telemetry import AccessLogging, ProxyConfig, ProxyConfigSpec, Telemetry


def telemetry(**spec: Any) -> Telemetry:
    raw = {"apiVersion": "telemetry.istio.io/v1alpha1", "kind": "Telemetry", "metadata": {"name": "a"}, "spec": spec}
    found = parse(raw)
    assert isinstance(found, Telemetry)
    return found


def test_an_entry_that_says_nothing_is_for_both_sides_and_leaves_disabled_open() -> None:
    (entry,) = telemetry(accessLogging=[{}]).spec.access_logging
    assert entry == AccessLogging()
    assert (entry.match.mode, entry.disabled, entry.filter) == ("CLIENT_AND_SERVER", None, None)


def test_what_has_no_effect_is_kept_as_it_was_written() -> None:
    tracing, metrics = {"customTags": {"a": {"literal": {"value": "b"}}}}, {"overrides": [{"disabled": True}]}
    found = telemetry(tracing=[tracing], metrics=[metrics]).spec
    assert (found.tracing, found.metrics) == ((tracing,), (metrics,))


def test_a_proxy_config_tells_no_threads_from_none_given() -> None:
    meta = {"name": "a", "namespace": "shop"}
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": meta}
    bare, all_cores = parse(raw), parse({**raw, "spec": {"concurrency": 0}})
    assert isinstance(bare, ProxyConfig)
    assert isinstance(all_cores, ProxyConfig)
    assert bare.spec == ProxyConfigSpec()
    assert (bare.spec.concurrency, all_cores.spec.concurrency) == (None, 0)
