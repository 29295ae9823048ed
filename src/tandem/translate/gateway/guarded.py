"""Policies of Istio's security API for gateways -> gateways that refuse everything, with Problems. Pure.

A gateway judges no request by policy. What such a policy would refuse must not pass all the same, so that whatever
comes to its gateways is refused, and pods, of which it says nothing, are left alone.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.gateway import Gateway, GatewayListener, GatewayPort, HostRoutes
from tandem.ir.mesh import Respond, Route
from tandem.model import gateways as model
from tandem.model.security import AuthorizationPolicy, RequestAuthentication, TargetRef
from tandem.model.world import Key, World
from tandem.translate.gateway.edge import Edge
from tandem.translate.mesh.istio.authorization import is_staged
from tandem.translate.mesh.istio.scoped import Policy, is_of_gateways, refs_of
from tandem.translate.options import Options

FORBIDDEN: Final = Respond(status=403, body="RBAC: access denied")


def close_guarded(world: World, options: Options, edge: Edge) -> Edge:
    """The gateways, of which those that a policy is attached to refuse everything."""
    closed: dict[Key, Origin] = {}
    problems: list[Problem] = []
    policies: tuple[Policy, ...] = (*world.sorted(AuthorizationPolicy), *world.sorted(RequestAuthentication))
    for policy in policies:
        for path, ref in refs_of(policy):
            if is_of_gateways(ref):
                found, problem = _attached(world, options.root_namespace, policy, (path, ref))
                mine = [key for key in found if key in edge.facts]
                if problem is not None:
                    problems.append(problem)
                elif mine:
                    refuses = _refuses(policy)
                    problems.append(_not_judged(policy, path, refuses=refuses))
                    closed |= {key: policy.origin() for key in mine if refuses and key not in closed}
    if not problems:
        return edge
    gateways = {
        name: _closed(one, closed[one.namespace, one.name]) if (one.namespace, one.name) in closed else one
        for name, one in edge.gateways.items()
    }
    return msgspec.structs.replace(edge, gateways=MappingProxyType(gateways), problems=(*edge.problems, *problems))


def _attached(
    world: World, root: str, policy: Policy, at: tuple[str, TargetRef]
) -> tuple[tuple[Key, ...], Problem | None]:
    """The Gateways that a reference means, or what is wrong with it: it means none then."""
    (path, ref), home = at, policy.metadata.namespace
    if ref.kind == "GatewayClass":
        if home != root:
            text = f"only a policy in {root} may be attached to a class: it is about no gateway"
            return (), Problem(at=policy.origin(path), code="RefNotPermitted", text=text)
        return tuple(g.key for g in world.sorted(model.Gateway) if g.spec.gateway_class_name == ref.name), None
    if ref.namespace not in {"", home}:
        text = f"it must be {home}, as the policy's own: it is about no gateway"
        return (), Problem(at=policy.origin(f"{path}.namespace"), code="RefNotPermitted", text=text)
    if world.get(model.Gateway, home, ref.name) is None:
        text = f"no Gateway {home}/{ref.name}: it is about no gateway"
        return (), Problem(at=policy.origin(f"{path}.name"), code="TargetNotFound", text=text)
    return ((home, ref.name),), None


def _refuses(policy: Policy) -> bool:
    """Whether there are requests that it would not let through."""
    return isinstance(policy, RequestAuthentication) or not (is_staged(policy) or policy.spec.action == "AUDIT")


def _not_judged(policy: Policy, path: str, *, refuses: bool) -> Problem:
    effect = "everything is denied there" if refuses else "nobody is told what it says"
    text = f"gateways judge no request by policy: {effect}; attach it to the Services behind"
    severity = Severity.ERROR if refuses else Severity.WARNING
    return Problem(at=policy.origin(path), code="UnsupportedField", text=text, severity=severity)


def _closed(gateway: Gateway, policy: Origin) -> Gateway:
    return msgspec.structs.replace(gateway, ports=tuple(_port(port, policy) for port in gateway.ports))


def _port(port: GatewayPort, policy: Origin) -> GatewayPort:
    return msgspec.structs.replace(port, listeners=tuple(_listener(one, policy) for one in port.listeners))


def _listener(listener: GatewayListener, policy: Origin) -> GatewayListener:
    """Made anew and not changed: whatever else a listener may have leads nowhere."""
    name = f"{policy.kind}/{policy.namespace}/{policy.name}"
    refusal = Route(name=name, matches=(), action=FORBIDDEN, origin=policy)
    return GatewayListener(
        name=listener.name,
        hostname=listener.hostname,
        hosts=(HostRoutes(host=listener.hostname, routes=(refusal,)),),
        certificates=listener.certificates,
        origin=listener.origin,
    )
