"""HTTP filters, one file each. The tuple is the registry and the order in which Envoy runs them."""

from __future__ import annotations

from typing import Final

from tandem.compile.envoy.filters.router import router
from tandem.compile.envoy.proto import Json

FILTERS: Final = (router,)


def http_filters() -> list[Json]:
    """The HTTP filter chain of every connection manager."""
    return [build() for build in FILTERS]
