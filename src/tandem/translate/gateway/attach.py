"""spec.parentRefs of a route -> the listeners of Gateways and ListenerSets that it attaches to, with Problems. Pure.

A parent's listeners are narrowed down by its section and port, by what listeners allow, then by host names; the reason
why none is left is that of the step after which none was. Listeners of a Gateway's sets are none of its own (GEP-1713).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tandem.base.problems import ObjectKey, Problem, Severity
from tandem.model.gateway import ParentReference
from tandem.model.gateways import CONTROLLER, GROUP, Gateway, GatewayClass, RouteKind
from tandem.model.gatewayservices import is_ours
from tandem.model.listenersets import ListenerSet
from tandem.model.tcproute import TCPRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import World
from tandem.translate.gateway.listeners import ByHolder, Place, Read, admits
from tandem.translate.hostnames import EVERY, common, covering, specificity
from tandem.translate.mesh.attach import MeshRoute, is_gateway_parent

EdgeRoute = MeshRoute | UDPRoute
"""Routes that may attach to listeners."""


class Attached(msgspec.Struct, frozen=True, kw_only=True):
    """A route at a listener; `hosts` is what both are for."""

    route: EdgeRoute
    listener: Place
    hosts: tuple[str, ...]


class _Admitting:
    """Listeners of one parent that a route may attach to, found by their host names."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self.reads = tuple(reads)
        self._by_host: dict[str, list[int]] = {}
        for i, read in enumerate(self.reads):
            self._by_host.setdefault(read.hostname, []).append(i)

    def matching(self, hostnames: Sequence[str]) -> list[tuple[Read, tuple[str, ...]]]:
        """Those that have something in common with these host names, and what."""
        near = self.reads
        if hostnames and not any(host.startswith(EVERY) for host in hostnames):
            wide = {name for host in hostnames for name in covering(host)}
            near = tuple(self.reads[i] for i in sorted(i for name in wide for i in self._by_host.get(name, ())))
        return [(read, hosts) for read in near if (hosts := shared_hosts(read.hostname, hostnames))]


class Parents:
    """The listeners of all Gateways that are ours and of their sets, for one route after the other."""

    def __init__(self, world: World, listeners: ByHolder) -> None:
        self.world, self.listeners = world, listeners
        self._admitting: dict[tuple[ObjectKey, RouteKind, str], _Admitting] = {}

    def admitting(self, key: ObjectKey, route: EdgeRoute, named: Sequence[Read]) -> _Admitting:
        """Those of a parent that take such a route, of the ones that it names."""
        kind, home = RouteKind(group=GROUP, kind=route.kind), route.metadata.namespace
        if len(named) < len(self.listeners[key]):
            return _Admitting(read for read in named if admits(read, kind, home, self.world))
        found = self._admitting.get((key, kind, home))
        if found is None:
            found = _Admitting(read for read in named if admits(read, kind, home, self.world))
            self._admitting[key, kind, home] = found
        return found


def attach(route: EdgeRoute, parents: Parents) -> tuple[tuple[Attached, ...], tuple[Problem, ...]]:
    """One Attached for each listener."""
    listeners = parents.listeners
    found: dict[Place, Attached] = {}
    problems: list[Problem] = []
    if route.spec.use_default_gateways not in {"", "None"}:
        text = "routes attach to the gateways that they name, and there are none by default"
        asked = route.origin("spec.useDefaultGateways")
        problems.append(Problem(at=asked, code="NoEffect", text=text, severity=Severity.WARNING))
    for i, parent in enumerate(route.spec.parent_refs):
        if not is_gateway_parent(parent):
            continue
        key = parent.kind, parent.namespace or route.metadata.namespace, parent.name
        at = f"spec.parentRefs[{i}]"
        if key not in listeners:
            problems.append(_not_ours(route, parents.world, key, at))
            continue
        meant = _meant(route, parent, key, parents)
        if isinstance(meant, tuple):
            problems.append(Problem(at=route.origin(at), code=meant[0], text=meant[1]))
            continue
        for attached in meant:
            before = found.get(attached.listener)
            hosts = dict.fromkeys((*(before.hosts if before is not None else ()), *attached.hosts))
            found[attached.listener] = msgspec.structs.replace(attached, hosts=tuple(hosts))
    return tuple(found.values()), tuple(problems)


def _not_ours(route: EdgeRoute, world: World, key: ObjectKey, at: str) -> Problem:
    kind, *place = key
    where = f"{kind} {place[0]}/{place[1]}"
    text = f"no {where}"
    gateway = world.get(Gateway, *place) if kind == "Gateway" else None
    if gateway is not None and not is_ours(world, gateway):
        name = gateway.spec.gateway_class_name
        text = f"{where} is of class {name!r}, whose controller is another"
        if world.get(GatewayClass, "", name) is None:
            text = (
                f"{where} is of class {name!r}, which is not here: one with the controllerName {CONTROLLER} is served"
            )
    elif kind == "ListenerSet" and world.get(ListenerSet, *place) is not None:
        text = f"{where} has no Gateway of this controller"
    return Problem(at=route.origin(at), code="NotOurs", text=text, severity=Severity.WARNING)


def _meant(
    route: EdgeRoute, parent: ParentReference, key: ObjectKey, parents: Parents
) -> list[Attached] | tuple[str, str]:
    """What the route attaches to, or the code and text of why it does not."""
    where, reads = f"{key[0]} {key[1]}/{key[2]}", parents.listeners[key]
    if not reads and key[0] == "ListenerSet":
        return "NoMatchingParent", f"{where} is not accepted by its Gateway"
    named = [r for r in reads if _named(r, parent)] if parent.section_name or parent.port is not None else reads
    if not named:
        section = f" named {parent.section_name!r}" if parent.section_name else ""
        port = f" at port {parent.port}" if parent.port is not None else ""
        return "NoMatchingParent", f"{where} has no listener{section}{port}"
    admitting = parents.admitting(key, route, named)
    if not admitting.reads:
        names = ", ".join(r.listener.name for r in named)
        text = f"{where}: listener {names} takes no {route.kind} of namespace {route.metadata.namespace}"
        return "NotAllowedByListeners", text
    matching = admitting.matching(_hostnames(route))
    if not matching:
        names = ", ".join(f"{r.listener.name} ({r.hostname})" for r in admitting.reads)
        return "NoMatchingListenerHostname", f"{where}: no host name of the route is one of listener {names}"
    return [Attached(route=route, listener=r.place, hosts=hosts) for r, hosts in matching]


def _hostnames(route: EdgeRoute) -> tuple[str, ...]:
    return () if isinstance(route, TCPRoute | UDPRoute) else route.spec.hostnames


def _named(read: Read, parent: ParentReference) -> bool:
    by_name = parent.section_name in {"", read.listener.name}
    return by_name and parent.port in {None, read.listener.port}


def shared_hosts(listener: str, hostnames: Iterable[str]) -> tuple[str, ...]:
    """What a listener's host name and those of a route have in common; a route without any is for every host."""
    found = (common(listener, host) for host in tuple(hostnames) or (EVERY,))
    return tuple(sorted({host for host in found if host is not None}, key=lambda h: (specificity(h), h)))
