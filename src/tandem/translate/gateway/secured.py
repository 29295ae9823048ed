"""Gateways and what BackendTLSPolicies come to -> how each gateway opens connections to its backends. Pure.

In: the gateways of all front ends. Out: the same with what they open in TLS, with Problems, and which gateways a policy
says something of. A gateway that should show a certificate which cannot be used opens nothing in TLS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir import gateway as ir
from tandem.ir.traffic import ClientTls, Origination
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.gateways import Gateway
from tandem.model.world import Key, World
from tandem.translate.gateway.backendtls import REFUSED, Claim, Settings, read_claims, read_settings, settle
from tandem.translate.gateway.certificates import client_certificate
from tandem.translate.gateway.edge import Ancestor, Edge
from tandem.translate.options import Options

MOST: Final = 16
"""Gateways that the status of a policy can tell of (PolicyStatus, ancestors)."""
_Reached = Mapping[Key, frozenset[int]]
"""Services, there or not, to which a gateway may send anything, with the ports."""


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """All policies: what each asks for, what they claim, and by Service and port which claim counts."""

    policies: Mapping[Key, BackendTLSPolicy]
    settings: Mapping[Key, Settings]
    claims: tuple[Claim, ...]
    counts: Mapping[tuple[Key, int], Claim]


def secure_backends(world: World, options: Options, edge: Edge) -> Edge:
    """The gateways with how they open connections to backends that speak TLS."""
    shown, problems = _certificates(world, edge)
    read, wrong = _read(world, options)
    problems += wrong
    found: dict[str, ir.Gateway] = {}
    ancestors: dict[Key, list[Ancestor]] = {}
    for name, sent in sorted(edge.gateways.items()):
        key = sent.namespace, sent.name
        facts = edge.facts.get(key)
        reached = _reached(sent, facts.named if facts is not None else frozenset())
        untold: set[Key] = set()
        for policy, targets in _told(read.claims, reached).items() if facts is not None else ():
            known = ancestors.setdefault(policy, [])
            if len(known) < MOST:
                known.append(Ancestor(gateway=key, targets=targets))
            else:
                untold.add(policy)
                problems.append(_untold(world, key, policy))
        backends = tuple(_backends(read, reached, shown.get(key, ""), untold))
        found[name] = msgspec.structs.replace(sent, backend_tls=backends) if backends else sent
    return msgspec.structs.replace(
        edge,
        gateways=MappingProxyType(found),
        ancestors=MappingProxyType({policy: tuple(every) for policy, every in ancestors.items()}),
        problems=(*edge.problems, *problems),
    )


def _certificates(world: World, edge: Edge) -> tuple[dict[Key, str | None], list[Problem]]:
    """What each Gateway shows to backends: empty for none, None where it cannot be used."""
    shown: dict[Key, str | None] = {}
    problems: list[Problem] = []
    for key in edge.facts:
        gateway = world.get(Gateway, *key)
        if gateway is not None:
            shown[key], wrong = client_certificate(world, gateway)
            problems += wrong
    return shown, problems


def _read(world: World, options: Options) -> tuple[_Read, list[Problem]]:
    policies = {policy.key: policy for policy in world.oldest_first(BackendTLSPolicy)}
    settings: dict[Key, Settings] = {}
    claims: list[Claim] = []
    problems: list[Problem] = []
    for key, policy in policies.items():
        settings[key], wrong = read_settings(world, options, policy)
        own, mistaken = read_claims(world, policy)
        claims += own
        problems += (*wrong, *mistaken)
    counts, lost = settle(claims)
    problems += (_conflict(policies[loser.policy], loser, winner) for loser, winner in lost)
    return _Read(policies=policies, settings=settings, claims=tuple(claims), counts=counts), problems


def _reached(sent: ir.Gateway, named: frozenset[Key]) -> _Reached:
    """`named`: what routes name, of which not everything is there, or may be reached."""
    found: dict[Key, set[int]] = {key: set() for key in named}
    for backend in ir.opened_of(sent):
        if "!" not in backend.service:
            found.setdefault((backend.namespace, backend.service), set()).add(backend.port)
    return {key: frozenset(ports) for key, ports in found.items()}


def _told(claims: Iterable[Claim], reached: _Reached) -> dict[Key, tuple[int, ...]]:
    """The policies of which something is told at a gateway, and of which of their targets."""
    found: dict[Key, tuple[int, ...]] = {}
    for claim in claims:
        ports = reached.get(claim.service)
        if ports is not None and (not claim.ports or not ports.isdisjoint(claim.ports)):
            found[claim.policy] = (*found.get(claim.policy, ()), claim.index)
    return found


def _backends(read: _Read, reached: _Reached, certificate: str | None, untold: set[Key]) -> Iterator[ir.BackendTls]:
    for key in sorted(reached):
        for port in sorted(reached[key]):
            claim = read.counts.get((key, port))
            if claim is None:
                continue
            asked, tls, origination = read.settings[claim.policy], ClientTls.REFUSE, Origination()
            if certificate is not None and claim.policy not in untold and asked.tls is ClientTls.SIMPLE:
                tls, origination = asked.tls, msgspec.structs.replace(asked.origination, certificate=certificate)
            yield ir.BackendTls(
                namespace=key[0],
                service=key[1],
                port=port,
                tls=tls,
                origination=origination,
                origin=read.policies[claim.policy].origin(),
            )


def _conflict(policy: BackendTLSPolicy, loser: Claim, winner: Claim) -> Problem:
    what = f"port {loser.section} of Service" if loser.section else "Service"
    text = f"{what} {'/'.join(loser.service)} is already that of BackendTLSPolicy {'/'.join(winner.policy)}"
    at = f"spec.targetRefs[{loser.index}]" if loser.index >= 0 else "spec.targetRefs"
    return Problem(at=policy.origin(at), code="Conflicted", text=f"{text}, which is older or comes first by name")


def _untold(world: World, gateway: Key, policy: Key) -> Problem:
    """The API allows no more entries, and what nobody is told of must not be in force."""
    text = f"BackendTLSPolicy {'/'.join(policy)} concerns {MOST} other gateways, and its status tells of no more"
    at = world.all(Gateway)[gateway].origin()
    return Problem(at=at, code="NoEffect", text=f"{text}: {REFUSED}", severity=Severity.WARNING)
