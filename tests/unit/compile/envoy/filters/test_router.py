"""The router."""

from __future__ import annotations

from tandem.compile.envoy.filters.router import router


def test_no_headers_of_envoys_are_added() -> None:
    assert router()["typed_config"]["suppress_envoy_headers"] is True
