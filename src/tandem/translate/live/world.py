"""`translate_world` from World to World: each call costs what differs from the one before."""

from __future__ import annotations

from tandem.base.memo import same_as_before
from tandem.model.world import World
from tandem.translate.balancers import assign_addresses
from tandem.translate.kept import Kept
from tandem.translate.live.externals import LiveExternals
from tandem.translate.live.pods import LivePods
from tandem.translate.live.policy import LivePolicy
from tandem.translate.live.problems import Gathered
from tandem.translate.live.services import LiveServices
from tandem.translate.mesh import translate_mesh
from tandem.translate.nodes import translate_nodes
from tandem.translate.options import Options
from tandem.translate.protocols import ports_named
from tandem.translate.unreadable import unreadable_problems
from tandem.translate.world import Translation, announcing, has_policies, mesh_config


class Live:
    """One per control. Its results do not depend on the Worlds between: equal Worlds give equal Translations."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._gathered = Gathered()
        self._policy = LivePolicy(options, self._gathered)
        self._pods = LivePods(options, self._gathered)
        self._services = LiveServices(self._gathered)
        self._externals = LiveExternals(options, self._gathered)
        self._mesh = Kept(translate_mesh)
        self._routed = same_as_before(lambda mesh: ports_named(mesh.tables.values()))
        self._balancers = Kept(assign_addresses)
        self._nodes = Kept(translate_nodes)
        self._config = Kept(mesh_config)
        self._announcing = same_as_before(announcing)
        self._unreadable = Kept(unreadable_problems)

    def translate(self, world: World) -> Translation:
        """The Translation of this World."""
        ir = self._policy.update(world)
        self._gathered.tell((1, "unreadable"), self._unreadable(world))
        mesh, mesh_problems = self._mesh(world, self._options)
        routed = self._routed(mesh)
        self._pods.update(world, (ir.ingress, ir.egress), routed)
        self._services.update(world, self._pods.pods, routed)
        externals = self._externals.update(world, self._pods.pods)
        balancers = self._balancers(world)
        self._gathered.tell((6, "balancers"), balancers.problems)
        self._gathered.tell((7, "mesh"), mesh_problems)
        return Translation(
            balancers=balancers,
            config=self._announcing(self._config(world, self._options), has_policies(world)),
            nodes=self._nodes(world),
            pods=self._pods.pods,
            pod_nodes=self._pods.nodes,
            policy=ir,
            mesh=mesh,
            services=self._externals.services.over(self._services.services),
            endpoints=self._externals.endpoints.over(self._services.endpoints),
            hosts=externals.addresses,
            told=self._gathered.settle(),
        )
