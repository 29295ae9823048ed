"""HTTPRoute objects with Services as parents -> accepted routes, ranked by the Gateway API's precedence. Pure.

A route with a value that is not enforced is refused as a whole (Accepted=False, UnsupportedValue). A backend that does
not exist keeps its share, which is answered with 500.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tandem.base.problems import Problem
from tandem.ir.mesh import Exact, PathPrefix, Route, RouteMatch
from tandem.model.gateway import HTTPRoute
from tandem.model.linkerd import LinkerdHTTPRoute
from tandem.model.world import Key
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.layers import Accepted, One, Rank, accept, together
from tandem.translate.mesh.rules import RuleReader


def accept_httproutes(
    context: Context, read: Callable[[HTTPRoute, Context], One] | None = None
) -> tuple[list[Accepted], list[Problem]]:
    """Every HTTPRoute, of the Gateway API or of Linkerd's, at each Service that it is attached to.

    `read`: gives what `accept_httproute` does.
    """
    world, each = context.world, read or accept_httproute
    return together(each(source, context) for source in (*world.sorted(HTTPRoute), *world.sorted(LinkerdHTTPRoute)))


def accept_httproute(source: HTTPRoute, context: Context) -> One:
    """One of them."""
    return accept(source, context, partial(read_httproute, context))


def read_httproute(
    context: Context, source: HTTPRoute, parents: frozenset[Key]
) -> tuple[list[tuple[Rank, Route]], list[Problem]]:
    """The rules of a route in their order, each match with its rank, and what is wrong with them."""
    reader = RuleReader(source, context, parents)
    routes = [route for i, rule in enumerate(source.spec.rules) for route in reader.read(rule, i)]
    return [(rank(route.matches[0]), route) for route in routes], reader.problems


def rank(match: RouteMatch) -> Rank:
    """Of two matches that hold the lower one decides (Gateway API, HTTPRouteRule.matches).

    Regular expressions stand between exact paths and prefixes (left to the implementation).
    """
    if isinstance(match.path, Exact):
        kind, length = 0, len(match.path.value)
    elif isinstance(match.path, PathPrefix):
        kind, length = 2, len(match.path.value)
    elif match.path is None:
        kind, length = 2, 1
    else:
        kind, length = 1, len(getattr(match.path, "value", ""))
    return kind, -length, -(match.method is not None), -len(match.headers), -len(match.query)
