"""What Servers and default policies deny at a pod, as rules with exceptions (docs/design/0049). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tandem.base.problems import Origin
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement, Requirements
from tandem.ir.match import Exact
from tandem.translate.mesh.linkerd.defaults import AUDIT, EVERYTHING, SOURCES, Default
from tandem.translate.mesh.linkerd.read import ReadServer
from tandem.translate.mesh.linkerd.required import Required


def closed_policy(server: ReadServer) -> AuthzPolicy:
    """What stands for a Server of which not even the port is known."""
    return AuthzPolicy(action=Action.DENY, rules=(AuthzRule(origin=server.origin),), origin=server.origin)


def server_policies(
    server: ReadServer, ports: tuple[int, ...], probed: Mapping[int, tuple[str, ...]]
) -> Iterator[AuthzPolicy]:
    """What a Server denies at its ports of a pod; of an audit what it would deny, and what no route is about."""
    at = (Requirement(attribute=Attribute.PORT, values=tuple(Exact(str(port)) for port in ports)),)
    unknown = tuple(_unknown(server, at))
    made_of = (*server.clients.made_of, *(o for one, more in server.routes for o in (one.route, *more.made_of)))
    whole = AuthzPolicy(
        action=Action.DENY,
        rules=(*_rules(server, at, {port: probed[port] for port in ports if port in probed}), *unknown),
        origin=server.origin,
        staged=server.staged,
        made_of=tuple(dict.fromkeys(made_of)),
    )
    yield whole
    if server.staged and unknown:
        rules = tuple(msgspec.structs.replace(rule, of_requests=True) for rule in unknown)
        yield msgspec.structs.replace(whole, rules=rules, staged=False)


def _rules(server: ReadServer, at: Requirements, probed: Mapping[int, tuple[str, ...]]) -> Iterator[AuthzRule]:
    """What is denied to those who are not authorized."""
    if server.closed:
        yield AuthzRule(operations=(at,), origin=server.origin)
        return
    if not server.routes:
        yield from _unless(server.clients.sources, at, tuple(_probes(probed)), server.origin)
    for i, (one, more) in enumerate(server.routes):
        before = tuple(other.asked for other, _ in server.routes[:i] if other.route != one.route)
        path = f"{one.route.kind}/{one.route.name}/{one.path}"
        origin = msgspec.structs.replace(server.origin, path=path)
        yield from _unless((*server.clients.sources, *more.sources), (*at, *one.asked), before, origin)


def _unknown(server: ReadServer, at: Requirements) -> Iterator[AuthzRule]:
    """Where routes are attached, requests that none of them is about."""
    asked = tuple(one.asked for one, _ in server.routes)
    if asked and not server.closed:
        yield AuthzRule(operations=(at,), unless=asked, origin=server.origin)


def _unless(
    allowed: tuple[Requirements, ...], asked: Requirements, spared: tuple[Requirements, ...], origin: Origin
) -> Iterator[AuthzRule]:
    """What denies all but these clients; nothing where everyone is one of them."""
    if EVERYTHING not in allowed:
        yield AuthzRule(operations=(asked,), spares=allowed, unless=spared, origin=origin)


def _probes(probed: Mapping[int, tuple[str, ...]]) -> Iterator[Requirements]:
    for port, paths in probed.items():
        yield (
            Requirement(attribute=Attribute.PORT, values=(Exact(str(port)),)),
            Requirement(attribute=Attribute.METHOD, values=(Exact("GET"),)),
            Requirement(attribute=Attribute.PATH, values=tuple(map(Exact, paths))),
        )


def default_policy(default: Default, taken: tuple[int, ...], probed: Mapping[int, tuple[str, ...]]) -> AuthzPolicy:
    """Of all ports that no Server selects."""
    policy, origin = default
    rules = _unless(SOURCES[policy], _but(taken), tuple(_probes(probed)), origin)
    return AuthzPolicy(action=Action.DENY, rules=tuple(rules), origin=origin, staged=policy == AUDIT)


def identity_policy(
    asked: Required, taken: tuple[int, ...], probed: Mapping[int, tuple[str, ...]], *, staged: bool
) -> Iterator[AuthzPolicy]:
    """What denies clients without an identity at the ports that ask for one, but for those that a Server selects."""
    at = _but(taken)
    if asked.ports is not None:
        left = tuple(Exact(str(port)) for port in asked.ports if port not in taken)
        if not left:
            return
        at = (Requirement(attribute=Attribute.PORT, values=left),)
    rules = tuple(_unless(SOURCES["all-authenticated"], at, tuple(_probes(probed)), asked.origin))
    yield AuthzPolicy(action=Action.DENY, rules=rules, origin=asked.origin, staged=staged)


def _but(taken: tuple[int, ...]) -> Requirements:
    """Every port but these."""
    covered = tuple(Exact(str(port)) for port in taken)
    return (Requirement(attribute=Attribute.PORT, refuses=covered),) if covered else ()
