"""Consul's ServiceDefaults as they are read."""

from __future__ import annotations

from consulworlds import defaults
from tandem.model.consuldefaults import PassiveHealthCheck, Upstream, UpstreamConfig


def test_names_with_capitals() -> None:
    found = defaults("web", mutualTLSMode="strict", externalSNI="a.test", localRequestTimeoutMs=5).spec
    assert (found.mutual_tls_mode, found.external_sni, found.local_request_timeout_ms) == ("strict", "a.test", 5)


def test_what_is_refused_is_there_to_be_named() -> None:
    found = defaults("web", envoyExtensions=[{"name": "x"}]).spec
    assert found.envoy_extensions == ({"name": "x"},)


def test_what_is_said_of_calls() -> None:
    health = {"enforcingConsecutive5xx": 0, "interval": "1s"}
    found = defaults("web", upstreamConfig={"defaults": {"passiveHealthCheck": health}, "overrides": [{"name": "db"}]})
    assert found.spec.upstream_config == UpstreamConfig(
        defaults=Upstream(passive_health_check=PassiveHealthCheck(interval="1s", enforcing_consecutive_5xx=0)),
        overrides=(Upstream(name="db"),),
    )
