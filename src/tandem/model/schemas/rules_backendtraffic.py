"""XBackendTrafficPolicy of the Gateway API beyond the form of single fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.schemas.rules_kubernetes import Rule
from tandem.model.schemas.rules_ratelimit import targets

_HOUR: Final = 3_600_000
_MOST: Final = 1_000_000


def _budget(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 0 <= raw.get("percent", 20) <= 100:
        yield f"{at}.percent: {raw['percent']} is not between 0 and 100"
    if not 1000 <= milliseconds(raw.get("interval", "10s")) <= _HOUR:
        yield f"{at}.interval: {raw['interval']!r} is not between 1s and 1h"


def _rate(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not 1 <= raw.get("count", 1) <= _MOST:
        yield f"{at}.count: {raw['count']} is not between 1 and {_MOST}"
    if not 0 < milliseconds(raw.get("interval", "1s")) <= _HOUR:
        yield f"{at}.interval: {raw['interval']!r} is not more than 0s and at most 1h"


RULES: Final[dict[str, Rule]] = {"GwTrafficSpec": targets, "GwRetryBudget": _budget, "GwRequestRate": _rate}
