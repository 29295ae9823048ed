"""`translate_world` from World to World: each call costs what differs from the one before."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.base.memo import equal_to_before, same_as_before
from tandem.base.table import Table
from tandem.ir.mesh import MeshIR, RouteTable
from tandem.ir.traffic import TrafficPolicy
from tandem.model.kept import Kept
from tandem.model.world import World
from tandem.translate.balancers import assign_addresses
from tandem.translate.canaries import divide_gateways
from tandem.translate.faults import fault_gateways, fault_tables, read_faults
from tandem.translate.gateway import Reading, translate_gateways
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.guards import guard_gateways
from tandem.translate.gateway.secured import secure_backends
from tandem.translate.ingress import add_ingress
from tandem.translate.ingress.bindings import read_bound
from tandem.translate.limits.attached import limit_gateways, limit_tables
from tandem.translate.limits.found import Limits
from tandem.translate.limits.targets import read_limits
from tandem.translate.live.externals import LiveExternals
from tandem.translate.live.pods import LivePods
from tandem.translate.live.policy import LivePolicy
from tandem.translate.live.problems import Gathered
from tandem.translate.live.services import LiveServices
from tandem.translate.live.settled import Settled
from tandem.translate.mesh import Memos, translate_mesh
from tandem.translate.mesh.asked import Asked, read_asked
from tandem.translate.mesh.consul.defaults import Defaults
from tandem.translate.mesh.linkerd.opaque import Opaque, read_opaque
from tandem.translate.mesh.memo import Memo
from tandem.translate.names import translate_names
from tandem.translate.nodes import translate_nodes
from tandem.translate.options import Options
from tandem.translate.protocols import PortsSaid, ports_said
from tandem.translate.sessions import keep_sessions_of_gateways
from tandem.translate.trust import trust_problems
from tandem.translate.unreadable import unreadable_problems
from tandem.translate.world import Translation, announcing, has_policies, mesh_config


def _as_it_is(asked: Asked) -> Asked:
    return asked


def _as_they_are(opaque: Opaque) -> Opaque:
    return opaque


class Live:
    """One per control. Its results do not depend on the Worlds between: equal Worlds give equal Translations."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._settled = Settled()
        self._gathered = Gathered()
        self._policy = LivePolicy(options, self._gathered)
        self._pods = LivePods(options, self._gathered)
        self._services = LiveServices(options, self._gathered)
        self._externals = LiveExternals(options, self._gathered)
        self._mesh = Kept(translate_mesh)
        self._asked = Kept(read_asked)
        self._same_asked = equal_to_before(_as_it_is)
        self._opaque = Kept(read_opaque)
        self._same_opaque = equal_to_before(_as_they_are)
        self._memos = Memos()
        self._steady = same_as_before(self._steadied)
        self._policies = same_as_before(self._kept_policies)
        self._tables: Table[str, RouteTable] = Table()
        self._traffic: Table[str, TrafficPolicy] = Table()
        self._said: Table[str, PortsSaid] = Table()
        self._balancers = Kept(assign_addresses)
        self._edge = Kept(translate_gateways)
        self._reading = Reading()
        self._ingress = Kept(add_ingress)
        self._bindings = Memo(read_bound)
        self._guarded = Kept(guard_gateways)
        self._divided = Kept(divide_gateways)
        self._secured = Kept(secure_backends)
        self._sessions = Kept(keep_sessions_of_gateways)
        self._faults = Kept(read_faults)
        self._faulty = same_as_before(fault_tables)
        self._faulty_edge = same_as_before(fault_gateways)
        self._limits = Kept(read_limits)
        self._limited = same_as_before(limit_tables)
        self._limited_edge = same_as_before(limit_gateways)
        self._defaults = Kept(Defaults)
        self._nodes = Kept(translate_nodes)
        self._names = Kept(translate_names)
        self._config = Kept(mesh_config)
        self._announcing = same_as_before(announcing)
        self._unreadable = Kept(unreadable_problems)
        self._untrusted = Kept(trust_problems)

    def translate(self, world: World) -> Translation:
        """The Translation of this World."""
        world = self._settled.of(world)
        ir = self._policy.update(world)
        self._gathered.tell((1, "unreadable"), self._unreadable(world))
        self._gathered.tell((2, "trust"), self._untrusted(world))
        asked = self._same_asked(self._asked(world))
        whole, mesh_problems = self._mesh(world, self._options, self._memos, asked)
        balancers = self._balancers(world)
        edge = self._edge(world, self._options, balancers, self._reading)
        edge = self._ingress(world, self._options, edge, balancers, self._policies(whole.policies), self._bindings)
        edge = self._guarded(world, self._options, edge)
        edge = self._secured(world, self._options, self._divided(world, self._options, edge, whole))
        edge = self._sessions(world, edge)
        limits = self._limits(world)
        faults = self._faults(world)
        edge = self._limited_edge(self._faulty_edge(edge, faults), limits)
        opaque = self._same_opaque(self._opaque(world, self._options.cluster_domain))
        spoken = self._defaults(world), opaque
        mesh = self._steady(self._limited(self._faulty(whole, faults), limits), edge, limits, *spoken)
        self._pods.update(world, (ir.ingress, ir.egress), self._said, limits)
        self._services.update(world, self._pods.pods, self._said, self._traffic)
        externals = self._externals.update(world, self._pods.pods)
        nodes = self._nodes(world)
        self._gathered.tell((6, "balancers"), balancers.problems)
        self._gathered.tell((7, "mesh"), mesh_problems)
        self._gathered.tell((8, "gateways"), edge.problems)
        self._gathered.tell((9, "limits"), limits.problems)
        self._gathered.tell((9, "faults"), faults.problems)
        return Translation(
            balancers=balancers,
            edge=edge,
            config=self._announcing(self._config(world, self._options), has_policies(world)),
            nodes=nodes,
            names=self._names(world, nodes),
            pods=self._pods.pods,
            pod_nodes=self._pods.nodes,
            policy=ir,
            mesh=mesh,
            services=self._externals.services.over(self._services.services),
            endpoints=self._externals.endpoints.over(self._services.endpoints),
            hosts=externals.addresses,
            told=self._gathered.settle(),
        )

    def _kept_policies(self, now: Mapping[str, TrafficPolicy]) -> Table[str, TrafficPolicy]:
        """The very same table while no policy differs."""
        self._traffic = self._traffic.become(now)
        return self._traffic

    def _steadied(self, whole: MeshIR, edge: Edge, limits: Limits, said: Defaults, opaque: Opaque) -> MeshIR:
        """The same, in which what is equal to what it was before is that very object: what is made of it stays."""
        self._tables = self._tables.become(whole.tables)
        named = limits.named, said.named
        self._said = self._said.become(
            ports_said(self._tables.values(), edge.gateways.values(), *named, unread=said.bytes, opaque=opaque)
        )
        return MeshIR(tables=self._tables, policies=self._traffic)
