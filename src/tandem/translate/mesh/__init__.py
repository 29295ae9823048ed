"""World -> MeshIR: route tables and traffic policies of every Service, from Istio's objects and Gateway API routes."""

from __future__ import annotations

from tandem.base.memo import KeptParts
from tandem.base.problems import Problem
from tandem.ir.mesh import MeshIR
from tandem.model.gateway import HTTPRoute
from tandem.model.grpcroute import GRPCRoute
from tandem.model.istio import VirtualService
from tandem.model.world import World
from tandem.translate.mesh.asked import Asked, plain_layers, read_asked, with_rests
from tandem.translate.mesh.canaries import divide
from tandem.translate.mesh.connections import accept_connections, connection_layers
from tandem.translate.mesh.consul.chains import beneath, translate_chains
from tandem.translate.mesh.consul.defaults import Defaults
from tandem.translate.mesh.consul.failovers import with_failovers
from tandem.translate.mesh.consul.resolvers import read_resolvers, under
from tandem.translate.mesh.context import Context, Layer
from tandem.translate.mesh.grpcroute import accept_grpcroute, accept_grpcroutes
from tandem.translate.mesh.httproute import accept_httproute, accept_httproutes
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.distribution import near_first
from tandem.translate.mesh.istio.serviceentry import read_entries
from tandem.translate.mesh.istio.virtualservice import Said, read_virtualservice, translate_virtualservices
from tandem.translate.mesh.layers import One, build_layers
from tandem.translate.mesh.linkerd.profiles import last_of, translate_profiles, with_budgets
from tandem.translate.mesh.memo import Memo
from tandem.translate.mesh.sessions import keep_sessions, sessions_of
from tandem.translate.mesh.tables import Built, build_tables
from tandem.translate.mesh.trafficpolicies import attach_traffic, read_attachments
from tandem.translate.mesh.xmesh import mesh_problems
from tandem.translate.options import Options


class Memos:
    """What single objects came to before. With them the World must be a Noted one."""

    def __init__(self) -> None:
        self.virtual: Memo[VirtualService, Said] = Memo(read_virtualservice)
        self.http: Memo[HTTPRoute, One] = Memo(accept_httproute)
        self.grpc: Memo[GRPCRoute, One] = Memo(accept_grpcroute)
        self.layers: KeptParts[Layer] = KeptParts()
        self.tables: KeptParts[Built] = KeptParts()

    def begin(self, context: Context) -> Context:
        """As `Memo.begin`, for all of them."""
        return self.grpc.begin(self.http.begin(self.virtual.begin(context)))


def translate_mesh(
    world: World, options: Options, memos: Memos | None = None, asked: Asked | None = None
) -> tuple[MeshIR, tuple[Problem, ...]]:
    """The whole of routing; what a user wrote wrongly comes back as Problems and is not applied.

    `asked`: where it was read before, so that not every Service is looked up here.
    """
    entries = read_entries(world, options)
    rules = translate_destination_rules(world, options, entries)
    attachments = read_attachments(world)
    resolvers, said = read_resolvers(world), Defaults(world)
    below, resolved = under(resolvers.found, rules.policies)
    below, standing = with_failovers(below, resolvers, world)
    attached = with_budgets(attach_traffic(said.spoken(below), attachments), world, options)
    asked = asked if asked is not None else read_asked(world)
    near, distant = near_first(entries, with_rests(attached, asked), asked.wishes)
    context = Context(world=world, options=options, entries=entries, policies=near)
    if memos is not None:
        context = memos.begin(context)
    kept = memos or Memos()
    virtual = translate_virtualservices(context, memos.virtual.read if memos is not None else None)
    chains = translate_chains(context, resolvers, said.named)
    profiles = translate_profiles(context)
    istio, chained = beneath(virtual.layers, chains)
    istio, profiled = last_of(istio, profiles)
    grpc, grpc_problems = accept_grpcroutes(context, memos.grpc.read if memos is not None else None)
    http, http_problems = accept_httproutes(context, memos.http.read if memos is not None else None)
    routes = build_layers(context, grpc, http, kept.layers)
    connected, connection_problems = accept_connections(context)
    connections = connection_layers(context, (*grpc, *http), connected)
    istio = (*istio, *plain_layers(asked, (*istio, *routes.layers)))
    tables, conflicts = build_tables(istio, routes.layers, connections.layers, kept=kept.tables)
    tables, divided = divide(tables, context)
    tables = keep_sessions(tables, sessions_of(attachments))
    policies = {f"{namespace}/{name}": policy for (namespace, name), policy in sorted(near.items())}
    told = (
        *rules.problems,
        *distant,
        *attachments.problems,
        *virtual.problems,
        *grpc_problems,
        *http_problems,
        *routes.problems,
    )
    told += (*connection_problems, *connections.problems)
    told += (*resolvers.problems, *resolved, *standing, *chains.problems, *chained, *profiles.problems, *profiled)
    problems = (*told, *conflicts, *divided, *asked.problems, *mesh_problems(world))
    return MeshIR(tables=tables, policies=policies), problems
