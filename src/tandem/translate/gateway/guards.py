"""Policies of Istio's security API for gateways -> gateways that judge by them, with Problems. Pure.

Istio's rules for gateways of the Gateway API: a policy with `targetRefs` is for the Gateways that it names in its own
namespace, or from the root namespace for all of a class. One without is for the gateways of its namespace, as for pods,
from the root namespace for all; a selector asks for labels that the gateway's pods would have. What is wrong inside a
policy is told where pods' are read; here only what is wrong with a reference to a gateway.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir import gateway as ir
from tandem.ir.authz import Action, ExternalCheck
from tandem.model import gateways as model
from tandem.model.security import AuthorizationPolicy, RequestAuthentication, TargetRef
from tandem.model.selectors import matches_map
from tandem.model.world import Key, World
from tandem.translate.gateway.datagrams import silence
from tandem.translate.gateway.edge import Edge
from tandem.translate.ingress.workload import concerns_ingress, key_of
from tandem.translate.mesh.istio.authentication import denials_of, read_authentication, rules_of
from tandem.translate.mesh.istio.authorization import one_authorizer, read_authorization
from tandem.translate.mesh.istio.domains import read_domains
from tandem.translate.mesh.istio.meshconfig import read_paths, read_trusted_hops
from tandem.translate.mesh.istio.providers import read_providers
from tandem.translate.mesh.istio.scoped import Policy, is_of_gateways, is_of_services, refs_of
from tandem.translate.options import Options

NAME_LABEL: Final = f"{model.GROUP}/gateway-name"
CLASS_LABEL: Final = f"{model.GROUP}/gateway-class-name"


def _asks(policy: Policy) -> str:
    """The provider that is to be asked; empty: none."""
    if not isinstance(policy, AuthorizationPolicy) or policy.spec.action != Action.CUSTOM.value:
        return ""
    return policy.spec.provider.name if policy.spec.provider is not None else ""


def _inside(policy: Policy, gateway: str) -> Problem:
    """A gateway is no pod in which there could be an authorizer."""
    text = f"it is asked inside pods, and Gateway {gateway} is none: everything is denied there"
    return Problem(at=policy.origin("spec.provider.name"), code="ProviderNotFound", text=text)


def guard_gateways(world: World, options: Options, edge: Edge) -> Edge:
    """The gateways with what judges requests and connections there."""
    policies: tuple[Policy, ...] = (*world.sorted(AuthorizationPolicy), *world.sorted(RequestAuthentication))
    by_home: dict[str, list[Policy]] = {}
    problems: list[Problem] = []
    for policy in policies:
        by_home.setdefault(policy.metadata.namespace, []).append(policy)
        problems += _misattached(policy, world, options.root_namespace)
    providers = read_providers(world, options) if edge.gateways and policies else {}
    own = {name for name, found in providers.items() if isinstance(found, ExternalCheck) and found.own is not None}
    mesh = ({**providers, **dict.fromkeys(own, "")}, read_domains(world, options))
    hops, paths = read_trusted_hops(world, options), read_paths(world, options)
    gateways = dict(edge.gateways)
    for name, gateway in edge.gateways.items():
        homes = dict.fromkeys((options.root_namespace, gateway.namespace))
        beside = (policy for home in homes for policy in by_home.get(home, ()))
        mine = [policy for policy in beside if _judges(policy, gateway, world, options)]
        if not (mine or hops or paths):
            continue
        said = [read_authentication(p, world) for p in mine if isinstance(p, RequestAuthentication)]
        asked = [read_authorization(p, world, mesh) for p in mine if isinstance(p, AuthorizationPolicy)]
        judging, conflicts = one_authorizer((*asked, *denials_of(said)))
        problems += (*conflicts, *(_inside(p, name) for p in mine if _asks(p) in own))
        gateways[name], silenced = silence(
            msgspec.structs.replace(
                gateway,
                authorization=judging,
                authentication=rules_of(said),
                trusted_hops=hops,
                paths=paths or gateway.paths,
            )
        )
        problems += silenced
    return msgspec.structs.replace(
        edge, gateways=MappingProxyType(gateways), problems=(*edge.problems, *dict.fromkeys(problems))
    )


def _judges(policy: Policy, gateway: ir.Gateway, world: World, options: Options) -> bool:
    key = gateway.namespace, gateway.name
    if key == key_of(options):
        return concerns_ingress(policy, options.root_namespace)
    source = world.get(model.Gateway, *key)
    return source is not None and concerns(policy, source, options.root_namespace)


def labels_of(gateway: model.Gateway) -> dict[str, str]:
    """Those that Istio gives the pods of such a gateway."""
    given = gateway.spec.infrastructure.labels or gateway.metadata.labels
    own = {NAME_LABEL: gateway.metadata.name, CLASS_LABEL: gateway.spec.gateway_class_name}
    return {**given, **own}


def concerns(policy: Policy, gateway: model.Gateway, root: str) -> bool:
    """Whether the policy judges at the gateway.

    One that is attached to what nobody knows denies everything in its namespace, also there.
    """
    home, refs = policy.metadata.namespace, [ref for _, ref in refs_of(policy)]
    if home not in {root, gateway.metadata.namespace}:
        return False
    if any(not (is_of_gateways(ref) or is_of_services(ref)) for ref in refs):
        return True
    if refs:
        return any(_means(ref, gateway, home, root) for ref in refs)
    selector = policy.spec.selector
    return selector is None or not selector.match_labels or matches_map(selector.match_labels, labels_of(gateway))


def _means(ref: TargetRef, gateway: model.Gateway, home: str, root: str) -> bool:
    if not is_of_gateways(ref):
        return False
    if ref.kind == "GatewayClass":
        return home == root and ref.name == gateway.spec.gateway_class_name
    return ref.namespace in {"", home} and (home, ref.name) == gateway.key


def _misattached(policy: Policy, world: World, root: str) -> Iterator[Problem]:
    home = policy.metadata.namespace
    for path, ref in refs_of(policy):
        if is_of_gateways(ref):
            yield from _mistakes(policy, (home, ref.name), (path, ref), world, root)


def _mistakes(policy: Policy, meant: Key, at: tuple[str, TargetRef], world: World, root: str) -> Iterator[Problem]:
    (path, ref), home = at, policy.metadata.namespace
    if ref.kind == "GatewayClass":
        if home != root:
            text = f"only a policy in {root} may be attached to a class: it is about no gateway"
            yield Problem(at=policy.origin(path), code="RefNotPermitted", text=text)
    elif ref.namespace not in {"", home}:
        text = f"it must be {home}, as the policy's own: it is about no gateway"
        yield Problem(at=policy.origin(f"{path}.namespace"), code="RefNotPermitted", text=text)
    elif world.get(model.Gateway, *meant) is None:
        text = f"no Gateway {'/'.join(meant)}: it is about no gateway"
        yield Problem(at=policy.origin(f"{path}.name"), code="TargetNotFound", text=text)
