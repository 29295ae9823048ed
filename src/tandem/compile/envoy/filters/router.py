"""The router: the last HTTP filter, which sends the request to the cluster of its route."""

from __future__ import annotations

from tandem.compile.envoy.proto import Json, extension


def router() -> Json:
    """Adds no `x-envoy-*` headers: applications see the request as it was sent."""
    return extension("router", "extensions.filters.http.router.v3.Router", {"suppress_envoy_headers": True})
