"""VirtualService objects -> Layers of routes per Service, with Problems. Pure.

A VirtualService with a field that is not enforced is refused as a whole: its requests take the plain way to the
Service, and its condition says so. A destination that does not exist keeps its share, which is answered with 503.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import BytesRoute, Route, RouteMatch
from tandem.model.core import Service
from tandem.model.istio import DirectResponse, VirtualService
from tandem.model.world import Key
from tandem.translate.mesh.context import Context, Layer, Layers, not_http, scope_of
from tandem.translate.mesh.istio.bytesroutes import BytesReader
from tandem.translate.mesh.istio.delegates import MESH, Owned, for_mesh, is_delegate, routes_of
from tandem.translate.mesh.istio.egressgateways import Through
from tandem.translate.mesh.istio.httproutes import RouteReader
from tandem.translate.protocols import app_protocol

REFUSING: Final = frozenset({"UnsupportedField", "UnsupportedValue", "InvalidValue"})
"""Codes of mistakes after which nothing of the object is applied."""


_NOTHING: Final = DirectResponse(status=503)
"""In place of what a delegate does: all else of a route that leaves to it is read as it stands."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A VirtualService that is applied."""

    source: VirtualService
    hosts: tuple[tuple[int, Key], ...]
    routes: tuple[Route, ...]
    bytes: tuple[BytesRoute, ...] = ()

    def visible_to(self, consumer: str) -> bool:
        """True if pods of `consumer` (empty: of any namespace) see it."""
        exported = self.source.spec.export_to or ("*",)
        home = self.source.metadata.namespace
        return "*" in exported or (bool(consumer) and consumer in {home if e == "." else e for e in exported})


Said = tuple[Accepted | None, list[Problem]]
"""None: nothing of it is applied."""
Read = Callable[[VirtualService, Context], Said]


def translate_virtualservices(context: Context, read: Read | None = None) -> Layers:
    """Layers of every host, and for every namespace that sees something of its own.

    `read` gives what `read_virtualservice` does, which is used without it.
    """
    read = read or read_virtualservice
    problems: list[Problem] = []
    by_host: dict[Key, list[Accepted]] = {}
    for source in context.world.oldest_first(VirtualService):
        accepted, found = read(source, context)
        problems.extend(found)
        if accepted is not None:
            for host in dict.fromkeys(h for _, h in accepted.hosts):
                by_host.setdefault(host, []).append(accepted)
    layers: list[Layer] = []
    for host, named in sorted(by_host.items()):
        problems.extend(_port_problems(host, named, context))
        merged: dict[tuple[Origin, Origin], Problem] = {}
        for consumer in _consumers(named):
            seen = [a for a in named if a.visible_to(consumer)]
            if seen:
                layers.append(_layer(host, consumer, seen))
                merged = {**_merge_problems(seen, consumer), **merged}
        problems.extend(merged.values())
    return Layers(layers=tuple(layers), problems=tuple(problems))


def _consumers(named: list[Accepted]) -> list[str]:
    """The empty name (everyone), and each namespace that sees what not everyone sees."""
    found = {""}
    for accepted in named:
        if not accepted.visible_to(""):
            home = accepted.source.metadata.namespace
            found.update(home if e == "." else e for e in accepted.source.spec.export_to if e != "~")
    return sorted(found)


def _layer(host: Key, consumer: str, seen: list[Accepted]) -> Layer:
    routes = tuple(r for a in seen for r in a.routes)
    scopes = dict.fromkeys(scope_of(m) for r in routes for m in r.matches or (RouteMatch(),))
    if RouteMatch() in scopes:
        scopes = {RouteMatch(): None}
    origin = seen[0].source.origin()
    return Layer(
        service=host,
        consumer=consumer,
        routes=routes,
        scopes=tuple(scopes),
        bytes=tuple(r for a in seen for r in a.bytes),
        origin=origin,
    )


def read_virtualservice(source: VirtualService, context: Context) -> Said:
    """What one comes to, with what is wrong with it."""
    problems = list(object_mistakes(source))
    if not for_mesh(source):
        return None, problems
    if is_delegate(source):
        return None, [*problems, *own_mistakes(source, context)]
    through = Through(source, context)
    owned = [led for one in routes_of(source, context.world, problems) for led in through.requests(one)]
    problems.extend(own_mistakes(source, context))
    routes = tuple(read_owned(one, context) for one in owned if is_sound(one.owner, source, context))
    own = RouteReader(source, context)
    bytes_reader = BytesReader(source, own, through)
    connections = tuple(bytes_reader.read())
    problems.extend((*own.problems, *bytes_reader.problems, *through.problems))
    hosts: list[tuple[int, Key]] = []
    for i, host in enumerate(source.spec.hosts):
        key = context.resolve(host, source.metadata.namespace)
        covered = context.entries.covered(host.lower(), source.metadata.namespace) if "*" in host else ()
        if covered:
            hosts.extend((i, key) for key in covered)
        elif "*" in host:
            text = f"wildcard host {host!r} is about no host of a ServiceEntry; list Services by name"
            problems.append(_about_nobody(source, i, "UnsupportedValue", text))
        elif key is None or context.service(key) is None:
            domain = context.options.cluster_domain
            meant = f"{key[0]}/{key[1]}" if key else host
            text = f"no Service {meant}; write a Service's name, or NAME.NAMESPACE.svc.{domain}"
            problems.append(_about_nobody(source, i, "HostNotFound", text))
        else:
            hosts.append((i, key))
    problems.extend(unreachable(source))
    if refuses(problems):
        return None, problems
    if not routes and not connections:
        return None, problems  # all of it is for gateways, or left to delegates that are not there
    return Accepted(source=source, hosts=tuple(hosts), routes=routes, bytes=connections), problems


def _about_nobody(source: VirtualService, index: int, code: str, text: str) -> Problem:
    """A host that nobody in the mesh calls; where gateways are named as well it may be theirs."""
    severity = Severity.ERROR if set(source.spec.gateways) <= {MESH} else Severity.WARNING
    return Problem(at=source.origin(f"spec.hosts[{index}]"), code=code, text=text, severity=severity)


def refuses(problems: Iterable[Problem]) -> bool:
    """Whether nothing of the object is applied for one of these."""
    return any(p.code in REFUSING and p.severity is Severity.ERROR for p in problems)


def read_owned(one: Owned, context: Context) -> Route:
    """A route as it was merged."""
    read = RouteReader(one.owner, context).read(one.route, one.index)
    return msgspec.structs.replace(read, name=one.name, authorization=one.judges)


def own_mistakes(source: VirtualService, context: Context) -> list[Problem]:
    """What is wrong with the routes that stand in the object itself."""
    reader, others, through = RouteReader(source, context), list[Problem](), Through(source, context)
    for i, route in enumerate(source.spec.http):
        if route.delegate is None:
            elsewhere = through.leads(source, route)
            reader.read(msgspec.structs.replace(route, route=(), direct_response=_NOTHING) if elsewhere else route, i)
            continue
        others.extend(_beside_delegate(source, i))
        reader.read(msgspec.structs.replace(route, route=(), redirect=None, direct_response=_NOTHING), i)
        if is_delegate(source):
            at = source.origin(f"spec.http[{i}].delegate")
            text = "delegates are of one level: the whole VirtualService is not applied"
            others.append(Problem(at=at, code="UnsupportedField", text=text))
    return [*others, *reader.problems]


def _beside_delegate(source: VirtualService, index: int) -> Iterator[Problem]:
    route = source.spec.http[index]
    given = {"route": route.route, "redirect": route.redirect, "directResponse": route.direct_response}
    for name in (name for name, value in given.items() if value):
        at = source.origin(f"spec.http[{index}].{name}")
        yield Problem(at=at, code="InvalidValue", text="give delegate or this, not both")


def is_sound(owner: VirtualService, source: VirtualService, context: Context) -> bool:
    """False for a delegate, or one at the egress gateway, of which something is not applied: then nothing of it is."""
    if owner is source:
        return True
    return not refuses(own_mistakes(owner, context))


def object_mistakes(source: VirtualService) -> Iterator[Problem]:
    """What is wrong with it as a whole."""
    spec = source.spec
    if is_delegate(source) and (spec.tls or spec.tcp):
        at = source.origin("spec.tls" if spec.tls else "spec.tcp")
        yield Problem(
            at=at, code="InvalidValue", text="without hosts it is a delegate, and those have HTTP routes alone"
        )
    if not spec.http and not (spec.tls or spec.tcp):
        yield Problem(at=source.origin("spec.http"), code="InvalidValue", text="give at least one route")


def unreachable(source: VirtualService) -> Iterator[Problem]:
    """The first route that no request can meet."""
    for i, route in enumerate(source.spec.http[:-1]):
        if not route.match:
            text = f"spec.http[{i}] matches every request: the routes after it are never used"
            at = source.origin(f"spec.http[{i + 1}]")
            yield Problem(at=at, code="Unreachable", text=text, severity=Severity.WARNING)
            return


def _merge_problems(seen: list[Accepted], consumer: str) -> dict[tuple[Origin, Origin], Problem]:
    first = seen[0].source.origin()
    whom = f" (for clients in {consumer})" if consumer else ""
    text = f"merged after the older {first} for the same host, whose routes are tried first{whom}"
    return {
        (a.source.origin(), first): Problem(at=a.source.origin(), code="Merged", text=text, severity=Severity.WARNING)
        for a in seen[1:]
    }


def _bytes_problems(accepted: Accepted, service: Service | None) -> Iterator[Problem]:
    ports = service.spec.ports if service is not None else ()
    if accepted.bytes and all(app_protocol(port).is_http for port in ports):
        text = "every port is HTTP: its requests are routed by spec.http"
        yield Problem(at=accepted.bytes[0].origin, code="NoEffect", text=text, severity=Severity.WARNING)


def _port_problems(host: Key, named: list[Accepted], context: Context) -> Iterator[Problem]:
    service = context.service(host)
    for accepted in named if service is not None else ():
        yield from _bytes_problems(accepted, service)
        if not accepted.routes:
            continue
        matches = [m for r in accepted.routes for m in r.matches or (RouteMatch(),)]
        every = any(not m.ports for m in matches)
        ports = () if every else tuple(sorted({p for m in matches for p in m.ports}))
        at = next(i for i, key in accepted.hosts if key == host)
        if service is not None:
            yield from not_http(service, ports, accepted.source.origin(f"spec.hosts[{at}]"))
