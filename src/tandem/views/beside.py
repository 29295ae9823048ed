"""What a route's rule and the Services behind it have beside the way: trouble on purpose, patience, limits.

In: the World and the decision of a route. Out: Lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.model.core import Pod
from tandem.model.world import World
from tandem.reference.annotated import annotated
from tandem.reference.authentication import Judging
from tandem.reference.budgets import kept
from tandem.reference.calls import of_calls
from tandem.reference.destinationrules import caller_of
from tandem.reference.faults import trouble_at
from tandem.reference.patience import limits, patience
from tandem.reference.request import RouteDecision
from tandem.views.ways import Line


def beside(world: World, decision: RouteDecision, client: Judging | None = None) -> Iterator[Line]:
    """A line that `answered` knows among them, where every request is answered on purpose. `client`: who asks."""
    trouble = trouble_at(world, decision.rule) if decision.rule is not None else None
    if trouble is not None:
        effect = f"answers with {trouble.answer}" if trouble.answer else "makes trouble"
        yield Line(layer="fault", effect=effect, text=trouble.text, rule=trouble.rule, warns=True)
    for step in patience(world, decision):
        yield Line(layer="patience", effect="limits", text=step.text, rule=step.origin)
    for step in annotated(world, decision):
        yield Line(layer="annotations", effect="limits", text=step.text, rule=step.origin)
    for step in kept(world, decision):
        yield Line(layer="sessions", effect="keeps", text=step.text, rule=step.origin)
    for share in decision.backends if isinstance(client, Pod) else ():
        for step in of_calls(world, client, share) if isinstance(client, Pod) and not share.status else ():
            yield Line(layer="calls", effect="limits", text=step.text, rule=step.origin)
    told = (step for share in decision.backends if not share.status for step in limits(world, share, caller_of(client)))
    for text, rule in dict.fromkeys((step.text, step.origin) for step in told):
        yield Line(layer="limits", effect="limits", text=text, rule=rule)


def answered(lines: list[Line]) -> list[Line]:
    """What answers every request in the place of the backend."""
    return [line for line in lines if line.layer == "fault" and line.effect.startswith("answers")]
