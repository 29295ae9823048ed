"""All controllers of the cluster, each at the cost of what changed for it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from tandem.cluster import deployments, statefulsets
from tandem.cluster.blocks import share_out
from tandem.cluster.live.endpoints import LiveEndpoints
from tandem.cluster.live.gatewayservices import LiveGatewayServices
from tandem.cluster.live.owners import LiveOwners
from tandem.cluster.live.scheduler import LiveScheduler
from tandem.cluster.networks import PodNetwork
from tandem.cluster.nodes import assign_pod_cidrs
from tandem.cluster.space import Known
from tandem.cluster.writes import Write
from tandem.model import core
from tandem.model.kept import Kept
from tandem.model.stateful import StatefulSet
from tandem.model.world import World


class Controllers:
    """One per loop."""

    def __init__(self, pods: PodNetwork) -> None:
        self._network: Final = pods
        self._cidrs = Kept(assign_pod_cidrs)
        self._blocks = Kept(share_out)
        self._known: Known | None = None
        self._deployments = LiveOwners(core.Deployment)
        self._sets = LiveOwners(StatefulSet)
        self._scheduler = LiveScheduler()
        self._endpoints = LiveEndpoints()
        self._gateways = LiveGatewayServices()

    @property
    def wait(self) -> bool:
        """Whether something is to be done after a while, though nothing changes."""
        return self._deployments.waits or self._sets.waits

    def update(self, world: World, known: Known, *, now: float) -> tuple[Write, ...]:
        """Every controller's writes, in the order in which they should be made."""
        return (
            *self._cidrs(world, self._network),
            *self._share_out(world, known),
            *self._deployments.update(world, partial(deployments.reconcile, seed=known.seed, now=now)),
            *self._sets.update(world, partial(statefulsets.reconcile, now=now)),
            *self._scheduler.update(world, at=now),
            *self._endpoints.update(world),
            *self._gateways.update(world),
        )

    def _share_out(self, world: World, known: Known) -> tuple[Write, ...]:
        """Nothing is looked at anew for another seed alone, and what is written has the seed of now."""
        before = self._known
        if before is None or replace(before, seed=known.seed) != known:
            self._known = known
        if not self._blocks(world, self._known, self._network):
            return ()
        self._known = None
        return share_out(world, known, self._network)
