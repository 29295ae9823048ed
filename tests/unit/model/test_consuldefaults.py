"""Consul's ServiceDefaults as they are read."""

from __future__ import annotations

from consulworlds import defaults


def test_names_with_capitals() -> None:
    found = defaults("web", mutualTLSMode="strict", externalSNI="a.test", localRequestTimeoutMs=5).spec
    assert (found.mutual_tls_mode, found.external_sni, found.local_request_timeout_ms) == ("strict", "a.test", 5)


def test_what_is_refused_is_there_to_be_named() -> None:
    found = defaults("web", upstreamConfig={"defaults": {}}, envoyExtensions=[{"name": "x"}]).spec
    assert found.upstream_config == {"defaults": {}}
    assert found.envoy_extensions == ({"name": "x"},)
