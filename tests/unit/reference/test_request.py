"""The values of a decision."""

from __future__ import annotations

import msgspec

from tandem.reference.request import Request, RouteDecision, Share


def test_values_survive_json() -> None:
    for value in (
        Request(source_namespace="a", namespace="b", service="c", port=80, headers={"x": "1"}),
        RouteDecision(backends=(Share(namespace="b", service="c", port=80),)),
    ):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
