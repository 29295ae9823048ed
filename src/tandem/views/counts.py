"""How often each rule has decided: of all nodes together, for `tandem describe`, `tandem status` and whoever asks.

In: the RuleCounts that nodes report. Out: JSON-ready values, and lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tandem.base.problems import Origin
from tandem.observe.counts import RuleCount

VERDICTS: Final = ("allowed", "denied", "staged")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules were asked for; empty fields do not limit."""

    kind: str = ""
    namespace: str = ""
    name: str = ""

    def holds(self, rule: Origin) -> bool:
        """True if the rule is of such an object."""
        asked = ((self.kind, rule.kind), (self.namespace, rule.namespace), (self.name, rule.name))
        return all(not wanted or wanted == have for wanted, have in asked)


def counts(reported: Iterable[RuleCount], wanted: Wanted) -> list[dict[str, Any]]:
    """One entry for each rule, verdict and direction, sorted; the numbers of all nodes are added."""
    found: dict[tuple[Origin, str, str], int] = {}
    for one in reported:
        if wanted.holds(one.rule):
            key = one.rule, one.direction, one.verdict
            found[key] = found.get(key, 0) + one.count
    return [
        msgspec.to_builtins(RuleCount(rule=rule, verdict=verdict, direction=direction, count=found[key]))
        for key in sorted(found)
        for rule, direction, verdict in (key,)
    ]


def totals(reported: Iterable[RuleCount]) -> dict[str, int]:
    """By verdict, of everything."""
    found = dict.fromkeys(VERDICTS, 0)
    for one in reported:
        found[one.verdict] += one.count
    return found


def lines(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """As `describe` prints them."""
    return [f"{e['verdict']:<8} {e['direction']:<8} {e['count']:>8}  {e['rule'].get('path') or '-'}" for e in entries]
