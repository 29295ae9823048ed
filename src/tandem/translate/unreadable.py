"""Objects that nobody here can read -> Problems. Pure.

They are not in the World, so nothing is made of them: a pod has no link, a Service no address, a route is not taken.
Policies are never among them (`model/closing.py`); what judges in the mesh is closed in its place.
"""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Origin, Problem
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.consul import ServiceIntentions
from tandem.model.consultokens import JWTProvider
from tandem.model.linkerd import Server
from tandem.model.meta import Object
from tandem.model.security import AuthorizationPolicy, PeerAuthentication, RequestAuthentication
from tandem.model.unreadable import Unreadable
from tandem.model.world import World

_CLOSED: Final = {
    "PeerAuthentication": "it counts as STRICT",
    "RequestAuthentication": "it denies everything",
    "AuthorizationPolicy": "it denies everything",
    "ServiceIntentions": "it denies everything",
    "JWTProvider": "no token of it is valid",
    "Server": "it lets nobody in",
    "BackendTLSPolicy": "gateways send nothing to the backends that it names",
}


def unreadable_problems(world: World) -> tuple[Problem, ...]:
    """What is told of each, with the path of what was not understood."""
    kinds = (
        PeerAuthentication,
        RequestAuthentication,
        AuthorizationPolicy,
        ServiceIntentions,
        JWTProvider,
        Server,
        BackendTLSPolicy,
    )
    closed = [p for cls in kinds for p in world.sorted(cls) if p.metadata.unreadable]
    return tuple(problem for obj in (*world.sorted(Unreadable), *closed) for problem in problems_of(obj))


def problems_of(obj: Object) -> tuple[Problem, ...]:
    """The Problems of one of them."""
    found = []
    for line in obj.metadata.unreadable:
        path, _, text = line.partition(": ")
        at = Origin(kind=obj.kind, namespace=obj.metadata.namespace, name=obj.metadata.name, path=path)
        effect = "the object is left out" if isinstance(obj, Unreadable) else _CLOSED[obj.kind]
        found.append(Problem(at=at, code="NotUnderstood", text=f"{text}: {effect}"))
    return tuple(found)
