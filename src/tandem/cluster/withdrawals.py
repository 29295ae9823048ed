"""Nodes that serve gateways and shall no more: for how long they go on, so that clients leave by themselves. Pure.

A node that serves carries an annotation that says so. With the label that keeps load balancers away it is leaving: it
answers, and asks clients to come back elsewhere, until the annotation is taken away. One that gets the label before it
served is never told of a gateway. Time is the caller's: who begins anew in between waits the whole time again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.cluster.writes import Patch
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.istiogateway import IstioGateway
from tandem.model.world import World

LEAVE_SECONDS: Final = 10.0
"""Envoy ends connections of clients that do not go by themselves about six seconds after their next request."""


class Withdrawals:
    """Remembers since when each node is leaving."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    @property
    def waits(self) -> bool:
        """Some node is on its way out: look again without anything new."""
        return bool(self._since)

    def writes(self, world: World, now: float) -> Iterator[Patch]:
        """What is to be written on nodes."""
        serves = bool(world.all(Gateway) or world.all(IstioGateway))
        nodes = world.sorted(core.Node)
        excluded = {node.metadata.name for node in nodes if core.NO_BALANCER in node.metadata.labels}
        told = {node.metadata.name for node in nodes if node.metadata.annotations.get(core.SERVES) == core.GATEWAYS}
        self._since = {name: self._since.get(name, now) for name in excluded & told}
        over = {name for name, since in self._since.items() if now - since >= LEAVE_SECONDS}
        for node in nodes:
            name = node.metadata.name
            if name in told and (not serves or name in over):
                yield _annotated(name, None)
            elif serves and name not in told | excluded:
                yield _annotated(name, core.GATEWAYS)


def _annotated(node: str, value: str | None) -> Patch:
    return Patch(kind="Node", namespace="", name=node, patch={"metadata": {"annotations": {core.SERVES: value}}})
