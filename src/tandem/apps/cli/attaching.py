"""What is attached to a gateway, and what a route or a policy is attached to: for `describe`. Pure: raw objects in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tandem.model.gateways import GROUP, Gateway
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.model.security import AuthorizationPolicy, RequestAuthentication
from tandem.model.world import World
from tandem.reference.authentication import selects

ROUTES: Final = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
JUDGING: Final = ("AuthorizationPolicy", "RequestAuthentication")
_NOWHERE: Final = World()
"""Services say nothing of gateways."""


def routes_at(holder: RawObject, routes: Iterable[RawObject]) -> list[str]:
    """`KIND NAMESPACE/NAME`, the listener that is meant and what is said of it, of each route that names the holder."""
    return [
        f"{_label(route)}{_section(parent)}: {_said(route, parent)}"
        for route in routes
        for parent in (route.get("spec") or {}).get("parentRefs") or ()
        if _meant(parent, route) == (holder["kind"], *_key(holder))
    ]


def sets_of(gateway: RawObject, sets: Iterable[RawObject]) -> list[str]:
    """`NAMESPACE/NAME` and what is said of it, of each ListenerSet whose parent it is."""
    return [
        f"{'/'.join(_key(one))}: {', '.join(_words_of(one.get('status') or {})) or 'nothing was said of it yet'}"
        for one in sets
        if _meant((one.get("spec") or {}).get("parentRef") or {}, one) == ("Gateway", *_key(gateway))
    ]


def policies_at(gateway: RawObject, policies: Iterable[RawObject]) -> list[str]:
    """`KIND NAMESPACE/NAME (ACTION)` of each policy that judges there."""
    at = parse(gateway)
    return [_policy(raw) for raw in policies if isinstance(at, Gateway) and _judges(raw, at)]


def gateways_of(policy: RawObject, gateways: Iterable[RawObject]) -> list[str]:
    """`NAMESPACE/NAME` of each gateway that a policy judges at."""
    found = ((raw, parse(raw)) for raw in gateways)
    return ["/".join(_key(raw)) for raw, at in found if isinstance(at, Gateway) and _judges(policy, at)]


def parents_of(route: RawObject) -> list[str]:
    """What a route names as its parents, each with what is said of it there."""
    parents = (route.get("spec") or {}).get("parentRefs") or ()
    return [f"{' '.join(_words(parent, route))}{_section(parent)}: {_said(route, parent)}" for parent in parents]


def _judges(raw: RawObject, at: Gateway) -> bool:
    policy = parse(raw)
    return isinstance(policy, AuthorizationPolicy | RequestAuthentication) and selects(policy, at, _NOWHERE)


def _policy(raw: RawObject) -> str:
    action = (raw.get("spec") or {}).get("action", "ALLOW")
    return f"{_label(raw)} ({action})" if raw["kind"] == "AuthorizationPolicy" else _label(raw)


def _label(raw: RawObject) -> str:
    return f"{raw['kind']} {'/'.join(_key(raw))}"


def _key(raw: RawObject) -> tuple[str, str]:
    return str(raw["metadata"].get("namespace") or ""), str(raw["metadata"]["name"])


def _meant(parent: Mapping[str, Any], route: RawObject) -> tuple[str, str, str]:
    kind = str(parent.get("kind", "Gateway")) if parent.get("group", GROUP) == GROUP else ""
    return kind, str(parent.get("namespace") or _key(route)[0]), str(parent.get("name", ""))


def _words(parent: Mapping[str, Any], route: RawObject) -> tuple[str, str]:
    _, namespace, name = _meant(parent, route)
    return str(parent.get("kind", "Gateway")), f"{namespace}/{name}"


def _section(parent: Mapping[str, Any]) -> str:
    parts = [f" listener {parent['sectionName']}"] if parent.get("sectionName") else []
    return "".join([*parts, *([f" port {parent['port']}"] if parent.get("port") else [])])


def _said(route: RawObject, parent: Mapping[str, Any]) -> str:
    told = ", ".join(_conditions(route, parent))
    return told or "nothing was said of it yet"


def _conditions(route: RawObject, parent: Mapping[str, Any]) -> Iterator[str]:
    for status in (route.get("status") or {}).get("parents") or ():
        ref = status.get("parentRef") or {}
        same = _meant(ref, route) == _meant(parent, route) and _section(ref) == _section(parent)
        if same:
            yield from _words_of(status)


def _words_of(status: Mapping[str, Any]) -> Iterator[str]:
    return (f"{condition['type']}={condition['status']}" for condition in status.get("conditions") or ())
