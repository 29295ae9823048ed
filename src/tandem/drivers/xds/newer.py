"""Fields that our Envoy knows and the published Python types do not: out of the tree, and into the message as bytes.

A message keeps fields that its type does not have, and writes them as they came. A release of the types that has one
takes its entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_BUDGET_INTERVAL: Final = b"\x1a"
"""Key of field 3 (a message) of CircuitBreakers.Thresholds.RetryBudget: its interval, a Duration."""
Held = tuple[tuple[int, str], ...]
"""Of which threshold, and how long."""


def without_newer(tree: Mapping[str, Any]) -> tuple[dict[str, Any], Held]:
    """A tree of which the types know every field, and what has been taken out of it."""
    body = dict(tree)
    thresholds = (body.get("circuit_breakers") or {}).get("thresholds") or ()
    held = tuple(
        (i, one["retry_budget"]["budget_interval"])
        for i, one in enumerate(thresholds)
        if "budget_interval" in (one.get("retry_budget") or {})
    )
    if held:
        kept = [_without_interval(one) for one in thresholds]
        body["circuit_breakers"] = {**body["circuit_breakers"], "thresholds": kept}
    return body, held


def _without_interval(threshold: Mapping[str, Any]) -> dict[str, Any]:
    budget = threshold.get("retry_budget")
    if budget is None:
        return dict(threshold)
    return {**threshold, "retry_budget": {name: v for name, v in budget.items() if name != "budget_interval"}}


def put_newer(message: Any, held: Held) -> None:
    """What `without_newer` has held, into the message of that tree."""
    from google.protobuf.duration_pb2 import Duration

    for i, text in held:
        interval = Duration()
        interval.FromJsonString(text)
        value = interval.SerializeToString(deterministic=True)
        message.circuit_breakers.thresholds[i].retry_budget.MergeFromString(
            _BUDGET_INTERVAL + bytes((len(value),)) + value
        )
