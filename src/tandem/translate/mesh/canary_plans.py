"""Canaries as their users write them -> Plans, with Problems at the exact field. Pure.

A Canary that cannot be has no Plan; if only its new version is missing, it has one in which everything is for the
stable version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import BytesMatch, Exact, HeaderMatch, Present, Regex, RouteTable, Split, StringMatch
from tandem.model.canary import Canary, CanaryMatch, ValueMatch, VersionRef
from tandem.model.world import Key
from tandem.translate.mesh.context import Context, not_http
from tandem.translate.mesh.values import regex_mistake
from tandem.translate.protocols import app_protocol

Tables = Mapping[str, RouteTable]
_MISSING: Final = ("SubsetNotFound", "BackendNotFound", "PortNotFound")
"""Codes of versions that are not there."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One Canary, ready to be applied."""

    service: Key
    stable: tuple[str, str]
    """Service and subset, in the namespace of `service`."""
    canary: tuple[str, str]
    percent: int
    matches: tuple[tuple[HeaderMatch, ...], ...]
    """A/B: what a request must carry; empty: any request."""
    split: Split
    connections: bool = False
    """Its ports are read as bytes: connections are divided in place of requests."""


def plans_of(context: Context, tables: Tables) -> tuple[list[Plan], list[Problem]]:
    """Those of all Canaries, the oldest first; `tables` have the routes of connections, divided or not."""
    plans: list[Plan] = []
    problems: list[Problem] = []
    owners: list[Canary] = []
    for canary in context.world.oldest_first(Canary):
        conflict = _conflict(canary, owners)
        if conflict is not None:
            problems.append(conflict)
            continue
        owners.append(canary)
        as_bytes = _reads_bytes(canary, context, tables)
        mistakes = list(_mistakes(canary, context, as_bytes=as_bytes))
        problems += mistakes
        errors = [p for p in mistakes if p.severity is Severity.ERROR]
        harmless = all(p.at.path.startswith("spec.canary") and p.code in _MISSING for p in errors)
        if not errors or harmless:
            percent = 0 if errors else canary.weight
            plans.append(msgspec.structs.replace(_plan(canary, percent=percent), connections=as_bytes))
    return plans, problems


def _conflict(canary: Canary, owners: Sequence[Canary]) -> Problem | None:
    """Two Canaries never touch one Service, in whatever part: each would measure what the other does."""
    mine = _services(canary)
    for older in owners:
        both = mine & _services(older) if older.metadata.namespace == canary.metadata.namespace else frozenset[str]()
        if both:
            text = f"Service {min(both)} is divided by the older {older.origin()} already: this one is not applied"
            return Problem(at=canary.origin("spec.service"), code="Conflicted", text=text)
    return None


def _services(canary: Canary) -> frozenset[str]:
    spec = canary.spec
    return frozenset({spec.service, canary.version(spec.stable)[0], canary.version(spec.canary)[0]})


def _reads_bytes(canary: Canary, context: Context, tables: Tables) -> bool:
    """No port of the Service is read as requests: none says so, or routes of connections have those that do."""
    key = canary.metadata.namespace, canary.spec.service
    service = context.service(key)
    ports = {p.port for p in service.spec.ports if p.protocol == "TCP"} if service is not None else set[int]()
    if service is None or not ports:
        return False
    table = tables.get("/".join(key))
    plain = [m for r in (table.bytes if table is not None else ()) if r.requests for m in r.matches or (BytesMatch(),)]
    whole = [m for m in plain if m == BytesMatch(ports=m.ports)]
    taken = {port for match in whole for port in match.ports or ports}
    return bool(not_http(service, (), canary.origin())) or ports <= taken


def _not_of_connections(canary: Canary) -> Iterator[Problem]:
    """What a Canary of connections cannot be asked."""
    asked = (
        ("spec.match", canary.spec.match, "a connection has no headers by which it could be chosen"),
        (
            "spec.analysis.latency",
            canary.spec.analysis.latency,
            "how long a connection lasts says nothing of a version",
        ),
    )
    for path, value, why in asked:
        if value:
            text = f"Service {canary.metadata.namespace}/{canary.spec.service} is divided by connections: {why}"
            yield Problem(at=canary.origin(path), code="UnsupportedField", text=text)


def _mistakes(canary: Canary, context: Context, *, as_bytes: bool) -> Iterator[Problem]:
    spec, home = canary.spec, canary.metadata.namespace
    service = context.service((home, spec.service))
    if service is None:
        text = f"no Service {home}/{spec.service}"
        yield Problem(at=canary.origin("spec.service"), code="HostNotFound", text=text)
        return
    if as_bytes:
        yield from _not_of_connections(canary)
    else:
        yield from not_http(service, (), canary.origin("spec.service"))
    ports = {p.port for p in service.spec.ports if not as_bytes or p.protocol == "TCP"}
    asked = ports if as_bytes else {p.port for p in service.spec.ports if app_protocol(p).is_http} or ports
    for name, ref in (("stable", spec.stable), ("canary", spec.canary)):
        yield from _reference(canary, f"spec.{name}", ref, (context, asked))
    for i, match in enumerate(spec.match):
        for j, header in enumerate(match.headers):
            mistake = regex_mistake(header.value) if header.type == "RegularExpression" else ""
            if mistake:
                at = canary.origin(f"spec.match[{i}].headers[{j}].value")
                yield Problem(at=at, code="InvalidValue", text=mistake)


def _reference(canary: Canary, path: str, ref: VersionRef, known: tuple[Context, set[int]]) -> Iterator[Problem]:
    context, asked = known
    home, (name, subset) = canary.metadata.namespace, canary.version(ref)
    service = context.service((home, name))
    if service is None:
        text = f"no Service {home}/{name}"
        yield Problem(at=canary.origin(f"{path}.service"), code="BackendNotFound", text=text)
        return
    missing = sorted(asked - {p.port for p in service.spec.ports})
    if missing:
        numbers = ", ".join(map(str, missing))
        text = f"Service {home}/{name} has no port {numbers}, at which Service {home}/{canary.spec.service} is dialled"
        yield Problem(at=canary.origin(f"{path}.service"), code="PortNotFound", text=text)
    policy = context.policies.get((home, name))
    if subset and subset not in {s.name for s in (policy.subsets if policy else ())}:
        text = f"no DestinationRule for Service {home}/{name} defines subset {subset!r}"
        yield Problem(at=canary.origin(f"{path}.subset"), code="SubsetNotFound", text=text)


def version_names(canary: Canary) -> tuple[str, str]:
    """How the stable version and the new one are called where they are counted (see `ir.Split`)."""
    spec, home = canary.spec, canary.metadata.namespace
    return _text(home, canary.version(spec.stable)), _text(home, canary.version(spec.canary))


def _plan(canary: Canary, *, percent: int) -> Plan:
    home = canary.metadata.namespace
    stable, new = version_names(canary)
    return Plan(
        service=(home, canary.spec.service),
        stable=canary.version(canary.spec.stable),
        canary=canary.version(canary.spec.canary),
        percent=percent,
        matches=tuple(_headers(m) for m in canary.spec.match),
        split=Split(origin=canary.origin(), stable=stable, canary=new),
    )


def _text(namespace: str, version: tuple[str, str]) -> str:
    return "/".join(part for part in (namespace, *version) if part)


def _headers(match: CanaryMatch) -> tuple[HeaderMatch, ...]:
    headers = [HeaderMatch(name=v.name.lower(), match=_value(v)) for v in match.headers]
    return (*headers, *(HeaderMatch(name="cookie", match=_cookie(v)) for v in match.cookies))


def _value(value: ValueMatch) -> StringMatch:
    match value.type:
        case "Present":
            return Present()
        case "RegularExpression":
            return Regex(value.value)
        case _:
            return Exact(value.value)


def _cookie(value: ValueMatch) -> StringMatch:
    """A pair of the Cookie header: pairs are separated by `; ` (RFC 6265, section 4.2.1)."""
    wanted = "[^;]*" if value.type == "Present" else re.escape(value.value)
    return Regex(f"(?:.*;)?[ \\t]*{re.escape(value.name)}={wanted}[ \\t]*(?:;.*)?")
