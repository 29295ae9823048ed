"""Routes of requests to one Service, or for one host of a gateway -> an HTTPRoute, and trouble at its rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tandem.base.problems import Origin
from tandem.ir.mesh import Backend, Forward, Respond, Route, RouteMatch, RouteTable, sent_to
from tandem.model import core
from tandem.model.meta import RawObject
from tandem.model.world import World
from tandem.translate.gatewayapi.actions import GROUP, Writer
from tandem.translate.gatewayapi.order import arranged
from tandem.translate.gatewayapi.shapes import Remarks, shaped, written
from tandem.translate.gatewayapi.troubles import trouble

RULES, MATCHES, IN_ALL = 16, 64, 128
"""What an HTTPRoute may have: rules, matches of one, matches of all."""
Kept = tuple[Route, tuple[RouteMatch, ...]]
"""A route, and its matches in forms of the Gateway API."""


def ports_of(world: World, table: RouteTable, routes: list[Route]) -> tuple[int, ...]:
    """0: one route for every port; else one for each, where something depends on which was dialled."""
    service = world.get(core.Service, table.namespace, table.service)
    numbers = tuple(port.port for port in service.spec.ports) if service is not None else ()
    told = all(m.ports == () for route in routes for m in route.matches)
    named = all(backend.port for backend in backends_of(routes))
    return (0,) if told and named else numbers


def of_port(routes: Iterable[Route], port: int) -> list[Route]:
    """Those that hold for a port, up to where all others are answered with 404: Gateway API does that by itself."""
    found = []
    for route in routes:
        matches = tuple(
            msgspec.structs.replace(m, ports=()) for m in route.matches if not port or not m.ports or port in m.ports
        )
        if not matches and route.matches:
            continue
        if isinstance(route.action, Respond) and route.name.endswith("/unmatched"):
            if not matches or RouteMatch() in matches:
                break
            continue
        found.append(msgspec.structs.replace(route, matches=matches))
    return found


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Of a route object: whose requests it is for. `suffix`: its name's, after that of the first source."""

    namespace: str
    suffix: str
    parents: tuple[dict[str, Any], ...]
    hostnames: tuple[str, ...] = ()


def head_of(table: RouteTable, port: int) -> Head:
    """That of requests to a port of a Service; 0: to any."""
    parent: dict[str, Any] = {"group": "", "kind": "Service", "name": table.service}
    if table.consumer and table.consumer != table.namespace:
        parent["namespace"] = table.namespace
    if port:
        parent["port"] = port
    suffix = f"{table.service}{f'-{port}' if port else ''}"
    return Head(namespace=table.consumer or table.namespace, suffix=suffix, parents=(parent,))


def http_route(
    head: Head, routes: Iterable[Route], writer: Writer, remarks: Remarks
) -> tuple[RawObject | None, list[RawObject]]:
    """The route, and the trouble that is made at its rules."""
    kept: list[Kept] = []
    unsaid: list[Route] = []
    for route in routes:
        shapes = [shaped(m, route.origin, remarks) for m in route.matches or (RouteMatch(),)]
        found = tuple(dict.fromkeys(m for m in shapes if m is not None))
        if found:
            kept.append((route, found))
        else:
            unsaid.append(route)
    if unsaid and not kept:
        text = "no route is left to be written: requests are no longer turned away, but go as if there were none"
        remarks.lost(unsaid[0].origin, "match", text)
    if not kept or all(route.name.endswith("/plain") for route, _ in kept):
        return None, []
    matches, unkept = arranged([found for _, found in kept])
    for index in unkept:
        text = "a later rule is more specific, and Gateway API lets it decide where both hold"
        remarks.lost(kept[index][0].origin, "match", text)
    if len(kept) > RULES or max(map(len, matches)) > MATCHES or sum(map(len, matches)) > IN_ALL:
        text = f"more than an HTTPRoute may have: {RULES} rules, {MATCHES} matches of one, {IN_ALL} of all"
        remarks.lost(kept[0][0].origin, "", text)
    rules = [_rule(i, own, every, writer, remarks) for i, (own, every) in enumerate(zip(kept, matches, strict=True))]
    meta = {"name": f"{_named(kept[0][0].origin)}-{head.suffix}", "namespace": head.namespace}
    hosts = {"hostnames": list(head.hostnames)} if head.hostnames else {}
    spec = {"parentRefs": list(head.parents), **hosts, "rules": rules}
    made = {"apiVersion": f"{GROUP}/v1", "kind": "HTTPRoute", "metadata": meta, "spec": spec}
    faults = ((i, route.fault) for i, (route, _) in enumerate(kept))
    return made, [trouble(fault, GROUP, made, _rule_name(i)) for i, fault in faults if fault is not None]


def _named(source: Origin) -> str:
    """By its source; a ServiceProfile has the full name of its Service."""
    return source.name.partition(".")[0] if source.kind == "ServiceProfile" else source.name


def _rule(index: int, own: Kept, every: tuple[RouteMatch, ...], writer: Writer, remarks: Remarks) -> dict[str, Any]:
    """`every`: the matches of its own, and those that keep its place before later rules."""
    route, matches = own
    asked = [written(match) for match in every]
    head: dict[str, Any] = {"name": _rule_name(index)} if route.fault is not None else {}
    if asked != [{}]:
        head["matches"] = asked
    if _moves(route) and len(every) > len(matches):
        remarks.lost(route.origin, "match", "a later rule is more specific, and prefixes differ where both hold")
    return {**head, **writer.rule(route, matches if _moves(route) else every)}


def _rule_name(index: int) -> str:
    """By which objects are attached to it."""
    return f"rule-{index}"


def _moves(route: Route) -> bool:
    """Whether what the rule does depends on which prefix has matched."""
    action = route.action
    prefix = action.rewrite.prefix if isinstance(action, Forward) else getattr(action, "prefix", None)
    return prefix is not None


def backends_of(routes: Iterable[Route]) -> Iterator[Backend]:
    """All that requests and their copies go to."""
    for route in routes:
        yield from sent_to(route)
