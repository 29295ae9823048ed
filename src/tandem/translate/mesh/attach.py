"""spec.parentRefs of a route -> the Services that a route attaches to, with Problems per parent. Pure.

A route in its parent's namespace is a producer route: it counts for everyone. A route in another namespace is a
consumer route: it counts for the pods of its own namespace (GEP-1426).
"""

from __future__ import annotations

import msgspec

from tandem.base.problems import Problem
from tandem.model.gateway import HTTPRoute, ParentReference
from tandem.model.gateways import GROUP
from tandem.model.grpcroute import GRPCRoute
from tandem.model.linkerd import is_server_parent
from tandem.model.tcproute import TCPRoute
from tandem.model.tlsroute import TLSRoute
from tandem.model.world import Key
from tandem.translate.mesh.context import Context, not_http
from tandem.translate.protocols import app_protocol

AnyRoute = HTTPRoute | GRPCRoute
"""Routes of requests."""
ConnectionRoute = TCPRoute | TLSRoute
"""Routes of connections."""
MeshRoute = AnyRoute | ConnectionRoute
"""Routes that may have a Service as a parent."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A route at a Service. `ports` empty: all of its ports."""

    route: MeshRoute
    service: Key
    consumer: str
    ports: tuple[int, ...]
    parents: tuple[tuple[int, tuple[int, ...]], ...]
    """Each index into parentRefs with the ports that it names (empty: all)."""


def attach(route: MeshRoute, context: Context) -> tuple[tuple[Attachment, ...], tuple[Problem, ...]]:
    """One Attachment for each Service that the route names and that accepts it."""
    problems: list[Problem] = []
    parents: dict[Key, list[tuple[int, tuple[int, ...]]]] = {}
    for i, parent in enumerate(route.spec.parent_refs):
        if is_gateway_parent(parent) or is_server_parent(parent):
            continue  # translate/gateway/attach.py, translate/mesh/linkerd/routes.py
        key = parent.namespace or route.metadata.namespace, parent.name
        at = f"spec.parentRefs[{i}]"
        mistake = _mistake(route, parent, at)
        if mistake is not None:
            problems.append(mistake)
            continue
        found = _ports(route, parent, key, context)
        if isinstance(found, str):
            problems.append(Problem(at=route.origin(at), code="NoMatchingParent", text=found))
            continue
        parents.setdefault(key, []).append((i, found))
        service = context.service(key)
        if service is not None and isinstance(route, AnyRoute):
            problems.extend(not_http(service, found, route.origin(at)))
    return tuple(_attachment(route, key, named) for key, named in parents.items()), tuple(problems)


def is_mesh_parent(parent: ParentReference) -> bool:
    """True for parents that are ours to judge: Services. Linkerd's users write the group of the core as `core`."""
    return parent.kind == "Service" and parent.group in {"", "core"}


def is_gateway_parent(parent: ParentReference) -> bool:
    """True for parents that have listeners: Gateways, of whatever class, and their ListenerSets."""
    return parent.group == GROUP and parent.kind in {"Gateway", "ListenerSet"}


def _attachment(route: MeshRoute, key: Key, parents: list[tuple[int, tuple[int, ...]]]) -> Attachment:
    every = any(not ports for _, ports in parents)
    home = route.metadata.namespace
    return Attachment(
        route=route,
        service=key,
        consumer="" if home == key[0] else home,
        ports=() if every else tuple(sorted({n for _, ports in parents for n in ports})),
        parents=tuple(parents),
    )


def _mistake(route: MeshRoute, parent: ParentReference, at: str) -> Problem | None:
    if is_mesh_parent(parent):
        return None
    kind = f"{parent.group}/{parent.kind}" if parent.group else parent.kind
    text = f'parents of kind {kind} are not supported, only Gateway, ListenerSet, and Service of group ""'
    return Problem(at=route.origin(at), code="InvalidKind", text=text)


def _ports(route: MeshRoute, parent: ParentReference, key: Key, context: Context) -> tuple[int, ...] | str:
    """The ports meant (empty: all), or what is wrong with the reference."""
    service = context.service(key)
    if service is None:
        return f"no Service {key[0]}/{key[1]}"
    offered = service.spec.ports
    if parent.section_name:
        offered = tuple(p for p in offered if p.name == parent.section_name)
        if not offered:
            return f"Service {key[0]}/{key[1]} has no port named {parent.section_name!r}"
    if parent.port is not None:
        offered = tuple(p for p in offered if p.port == parent.port)
        if not offered:
            return f"Service {key[0]}/{key[1]} has no such port {parent.port}"
    narrowed = bool(parent.section_name) or parent.port is not None
    if isinstance(route, TLSRoute):
        sessions = tuple(p for p in offered if not app_protocol(p).is_http)
        narrowed, offered = narrowed or len(sessions) < len(offered), sessions
    if isinstance(route, ConnectionRoute):
        offered = tuple(p for p in offered if p.protocol == "TCP")
        if not offered:
            what = (
                "of TCP"
                if isinstance(route, TCPRoute)
                else "at which a name is asked for: those of HTTP are plain text"
            )
            return f"Service {key[0]}/{key[1]} has no such port {what}"
    return tuple(sorted({p.port for p in offered})) if narrowed else ()
