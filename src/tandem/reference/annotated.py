"""What Linkerd's annotations say of a request: its time, what is tried again, and who rests after failures.

Judged on the objects, for `tandem explain`; shares no code with translation.
"""

from __future__ import annotations

from collections.abc import Iterator

from tandem.model.core import Service
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.linkerd import LinkerdHTTPRoute
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.attached import AnyRoute
from tandem.reference.request import RouteDecision, Step

_KINDS: tuple[type[AnyRoute], ...] = (HTTPRoute, LinkerdHTTPRoute, GRPCRoute)
_PATIENCE = ("timeout.linkerd.io/", "retry.linkerd.io/")
_RESTS = ("balancer.linkerd.io/failure-accrual",)


def annotated(world: World, decision: RouteDecision) -> Iterator[Step]:
    """Of the route that decided before the Service that was asked; of each Service behind it who rests."""
    rule = decision.rule
    kind = next((kind for kind in _KINDS if rule is not None and kind.__name__ == rule.kind), None)
    route = world.get(kind, rule.namespace, rule.name) if kind is not None and rule is not None else None
    if route is not None:
        yield from _said(route, _PATIENCE, "")
        parents = [p for p in route.spec.parent_refs if p.kind == "Service"]
        asked = [world.get(Service, p.namespace or route.metadata.namespace, p.name) for p in parents]
        for service in asked:
            yield from _said(service, _PATIENCE, ", where the route says nothing of it")
    behind = [world.get(Service, share.namespace, share.service) for share in decision.backends if not share.status]
    for service in behind:
        yield from _said(service, _RESTS if rule is not None else (*_PATIENCE, *_RESTS), "")


def _said(found: Object | None, about: tuple[str, ...], when: str) -> Iterator[Step]:
    for name, text in sorted(found.metadata.annotations.items()) if found is not None else ():
        if name.startswith(about) and found is not None:
            yield Step(text=f"{name}: {text}{when}", origin=found.origin(f"metadata.annotations[{name}]"))
