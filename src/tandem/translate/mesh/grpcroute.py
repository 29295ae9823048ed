"""GRPCRoute objects with Services as parents -> accepted routes, ranked by the Gateway API's precedence. Pure.

They match gRPC requests only (GEP-1016); what no route matches is answered with 404, which Envoy tells gRPC clients as
UNIMPLEMENTED. A backend that does not exist keeps its share, which is answered with UNAVAILABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tandem.base.problems import Problem
from tandem.ir.mesh import DEFAULT_RETRY, Forward, Route, RouteMatch
from tandem.model.grpcroute import GRPCRoute, GrpcRouteMatch, GrpcRouteRule, MethodMatch
from tandem.model.world import Key
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.layers import Accepted, One, Rank, accept, together
from tandem.translate.mesh.parts import Parts


def accept_grpcroutes(
    context: Context, read: Callable[[GRPCRoute, Context], One] | None = None
) -> tuple[list[Accepted], list[Problem]]:
    """Every GRPCRoute at each Service that it is attached to. `read`: gives what `accept_grpcroute` does."""
    each = read or accept_grpcroute
    return together(each(source, context) for source in context.world.sorted(GRPCRoute))


def accept_grpcroute(source: GRPCRoute, context: Context) -> One:
    """One of them."""
    return accept(source, context, partial(read_grpcroute, context))


def read_grpcroute(
    context: Context, source: GRPCRoute, parents: frozenset[Key]
) -> tuple[list[tuple[Rank, Route]], list[Problem]]:
    """The rules of a route in their order, each match with its rank, and what is wrong with them."""
    parts = Parts(source, context, parents)
    routes = [entry for i, rule in enumerate(source.spec.rules) for entry in _rule(source, parts, rule, i)]
    return routes, parts.problems


def _rule(source: GRPCRoute, parts: Parts, rule: GrpcRouteRule, index: int) -> Iterator[tuple[Rank, Route]]:
    at = f"spec.rules[{index}]"
    filters = parts.filters.of_rule(rule.filters, at)
    action = parts.action(rule.backend_refs, filters, at)
    session = parts.session(rule.session_persistence, f"{at}.sessionPersistence")
    sent = isinstance(action, Forward)
    for j, match in enumerate(rule.matches or (GrpcRouteMatch(),)):
        asked = parts.matches.grpc(match, f"{at}.matches[{j}]")
        route = Route(
            name=f"GRPCRoute/{source.metadata.namespace}/{source.metadata.name}/{index}/{j}",
            matches=(asked,),
            action=action,
            retry=DEFAULT_RETRY if sent else None,
            request_headers=filters.request,
            response_headers=filters.response,
            mirrors=filters.mirrors if sent else (),
            session=session if sent else None,
            origin=source.origin(at),
        )
        yield rank_called(match, asked), route


def rank_called(match: GrpcRouteMatch, asked: RouteMatch) -> Rank:
    """Characters of the service that matched, then of the method, then headers.

    Of the matches that hold for one request, all that name a service (a method) match the same characters. Where they
    are as good as each other, exact ones go before regular expressions (left to the implementation).
    """
    method = match.method or MethodMatch()
    kind = 1 if method.type == "RegularExpression" else 0
    return (*(kind if part else 2 for part in (method.service, method.method)), -len(asked.headers))
