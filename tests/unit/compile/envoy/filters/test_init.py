"""The order of HTTP filters is data."""

from __future__ import annotations

from tandem.compile.envoy.filters import FILTERS, http_filters
from tandem.compile.envoy.filters.router import router


def test_the_router_is_last() -> None:
    assert FILTERS[-1] is router


def test_every_filter_of_the_tuple_is_built_in_its_order() -> None:
    assert http_filters() == [build() for build in FILTERS]
