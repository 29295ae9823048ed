"""TCPRoutes at listeners of bytes -> the one whose rule a listener's connections follow, with Problems. Pure.

Nothing of a connection tells routes or rules apart: the oldest route of a listener and its first rule have every
connection, and all others are told that they have none.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import BytesRoute
from tandem.model.meta import Object
from tandem.model.tcproute import TCPRoute
from tandem.translate.mesh.attach import is_gateway_parent
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.context import Context


def read_tcproute(context: Context, source: TCPRoute) -> tuple[BytesRoute, tuple[Problem, ...]]:
    """What the rules of a route come to: shares that may not be used are kept, and lead nowhere."""
    problems: list[Problem] = []
    reader = BackendReader(source, context, frozenset(), problems)
    made: list[BytesRoute] = []
    for i, rule in enumerate(source.spec.rules):
        at = f"spec.rules[{i}]"
        shares = [
            msgspec.structs.replace(
                reader.read(ref, f"{at}.backendRefs[{j}]", "its share of connections is closed")[0], weight=ref.weight
            )
            for j, ref in enumerate(rule.backend_refs)
        ]
        name = f"TCPRoute/{source.metadata.namespace}/{source.metadata.name}/{i}"
        used = tuple(share for share in shares if share.weight > 0)
        made.append(BytesRoute(name=name, matches=(), backends=used, origin=source.origin(at)))
        if i:
            text = "every connection follows the first rule of a route"
            problems.append(Problem(at=source.origin(at), code="Shadowed", text=text, severity=Severity.WARNING))
    return made[0], tuple(problems)


def parents_refused(source: TCPRoute) -> Iterable[Problem]:
    """Parents that have no listeners: connections to Services are not routed by TCPRoutes here."""
    for i, parent in enumerate(source.spec.parent_refs):
        if not is_gateway_parent(parent):
            kind = f"{parent.group}/{parent.kind}" if parent.group else parent.kind
            text = f"parents of kind {kind} are not supported for a TCPRoute, only Gateway and ListenerSet"
            yield Problem(at=source.origin(f"spec.parentRefs[{i}]"), code="InvalidKind", text=text)


def shadowed(older: Object, route: TCPRoute, listener: str) -> Problem:
    """What a route is told whose listener follows an older one."""
    text = f"connections of listener {listener} follow the older TCPRoute {'/'.join(older.key)}"
    return Problem(at=route.origin("spec.rules"), code="Shadowed", text=text, severity=Severity.WARNING)
