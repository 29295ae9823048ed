"""Sessions that TrafficPolicies keep -> routes of the mesh that keep them. Pure.

A route that sends everything to one such Service keeps sessions as if it said so itself; one that says something of
sessions keeps its own (GEP-1619). Where a route divides requests, a session of one of the Services would not be sent
there again, so that such a route has to say it itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.ir.mesh import Forward, Route, RouteTable, Session
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.world import Key
from tandem.translate.mesh.context import plain_route
from tandem.translate.mesh.parts import read_session
from tandem.translate.mesh.trafficpolicies import Attachments

_replace: Final = msgspec.structs.replace
Sessions = Mapping[Key, tuple[Session, Origin]]
"""What is said of sessions, by Service, and who says so."""


def sessions_of(attachments: Attachments) -> Sessions:
    """Of whole Services: none is kept for a single port."""
    found: dict[Key, tuple[Session, Origin]] = {}
    for key, attached in attachments.services.items():
        for policy in (attached.whole, attached.standard):
            asked = policy.spec.session_persistence if policy is not None else None
            if policy is not None and asked is not None:
                session = read_session(asked, milliseconds(asked.absolute_timeout))
                found[key] = session, policy.origin("spec.sessionPersistence")
                break
    return found


def keep_sessions(tables: Mapping[str, RouteTable], sessions: Sessions) -> dict[str, RouteTable]:
    """The routes of the mesh; a Service without routes gets one, all of whose requests go to it."""
    found = dict(tables)
    for key, (_, origin) in sessions.items():
        namespace, service = key
        name = f"{namespace}/{service}"
        table = found.get(name) or RouteTable(namespace=namespace, service=service, routes=())
        found[name] = table if table.routes else _replace(table, routes=(plain_route(key, origin),))
    return {name: _table(table, sessions) for name, table in sorted(found.items())} if sessions else found


def _table(table: RouteTable, sessions: Sessions) -> RouteTable:
    routes = tuple(keeping(route, sessions) for route in table.routes)
    return table if routes == table.routes else _replace(table, routes=routes)


def keeping(route: Route, sessions: Sessions) -> Route:
    """A route with the sessions of the one Service that it sends to."""
    if not isinstance(route.action, Forward) or len(route.action.backends) != 1 or route.session is not None:
        return route
    (backend,) = route.action.backends
    found = sessions.get((backend.namespace, backend.service))
    return _replace(route, session=found[0]) if found is not None else route
