"""BackendTLSPolicies -> what each asks for, and which ports of Services it says something of, with Problems. Pure.

For a port of a Service that policy counts which names the port, else that which names the Service; of several the
oldest, whatever is wrong with it. Where the policy that counts cannot be applied nothing is sent: TLS was asked for, so
that plain text is no way out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.traffic import ClientTls, Origination
from tandem.model.backendtls import BackendTLSPolicy, BackendTlsSpec
from tandem.model.core import Service, ServicePort
from tandem.model.world import Key, World
from tandem.translate.gateway.roots import Bundle, read_roots
from tandem.translate.options import Options

REFUSED: Final = "nothing is sent to the backends that it names"
_SYSTEM: Final = "System"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a targetRef says something of: ports of a Service, or nothing (`ports` empty: it cannot be applied)."""

    policy: Key
    index: int
    service: Key
    section: str
    ports: tuple[int, ...]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy asks for."""

    tls: ClientTls
    origination: Origination = Origination()


def read_settings(world: World, options: Options, policy: BackendTLSPolicy) -> tuple[Settings, list[Problem]]:
    """What a policy asks for; REFUSE where that cannot be had."""
    if policy.metadata.unreadable:
        return Settings(tls=ClientTls.REFUSE), []
    spec = policy.spec
    problems = [
        Problem(
            at=policy.origin(f"spec.options[{name}]"),
            code="Invalid",
            text=f"there is no option {name!r} here: {REFUSED}",
        )
        for name in sorted(spec.options)
    ]
    known = spec.validation.well_known_ca_certificates
    pem = ""
    if known and (known != _SYSTEM or not options.system_roots):
        here = "there is no bundle of them on this machine" if known == _SYSTEM else f"{known!r} is no set known here"
        at = policy.origin("spec.validation.wellKnownCACertificates")
        problems.append(Problem(at=at, code="Invalid", text=f"{here}: {REFUSED}"))
    elif not known:
        pem, wrong = _roots(world, policy)
        problems += wrong
    bad = any(p.code in {"Invalid", "NoValidCACertificate"} for p in problems)
    if bad:
        return Settings(tls=ClientTls.REFUSE), problems
    asked = Origination(server_name=spec.validation.hostname, alt_names=_alt_names(spec), roots_pem=pem)
    return Settings(tls=ClientTls.SIMPLE, origination=asked), problems


def _alt_names(spec: BackendTlsSpec) -> tuple[str, ...]:
    return tuple(name.hostname or name.uri for name in spec.validation.subject_alt_names)


def _roots(world: World, policy: BackendTLSPolicy) -> tuple[str, list[Problem]]:
    at = "spec.validation.caCertificateRefs"
    refs = policy.spec.validation.ca_certificate_refs
    bundles = [Bundle(group=r.group, kind=r.kind, key=(policy.metadata.namespace, r.name)) for r in refs]
    roots = read_roots(world, bundles, invalid="InvalidCACertificateRef", unknown="InvalidKind")
    problems = [
        Problem(at=policy.origin(f"{at}[{i}]"), code=code, text=text) for i, (code, text) in roots.wrong.items()
    ]
    if not roots.pem:
        text = f"no authority that is named can be used: {REFUSED}"
        problems.append(Problem(at=policy.origin(at), code="NoValidCACertificate", text=text))
    return roots.pem, problems


def read_claims(world: World, policy: BackendTLSPolicy) -> tuple[list[Claim], list[Problem]]:
    """The targets of a policy. One whose targets nobody understands closes every Service of its namespace."""
    home = policy.metadata.namespace
    if policy.metadata.unreadable and not policy.spec.target_refs:
        every = [s for s in world.sorted(Service) if s.metadata.namespace == home]
        return [
            Claim(policy=policy.key, index=-1, service=s.key, section="", ports=_tcp(s.spec.ports)) for s in every
        ], []
    claims: list[Claim] = []
    problems: list[Problem] = []
    for i, ref in enumerate(policy.spec.target_refs):
        at, key = f"spec.targetRefs[{i}]", (home, ref.name)
        if (ref.group, ref.kind) != ("", "Service"):
            kind = f"{ref.group}/{ref.kind}" if ref.group else ref.kind
            text = f"targets of kind {kind} are not supported, only Service"
            problems.append(Problem(at=policy.origin(at), code="TargetNotFound", text=text))
            continue
        service = world.get(Service, *key)
        ports: tuple[int, ...] = ()
        if service is None:
            text = f"no Service {home}/{ref.name}"
            problems.append(Problem(at=policy.origin(f"{at}.name"), code="TargetNotFound", text=text))
        else:
            ports, wrong = _ports(policy, at, service, ref.section_name)
            problems += wrong
        claims.append(Claim(policy=policy.key, index=i, service=key, section=ref.section_name, ports=ports))
    return claims, problems


def _ports(
    policy: BackendTLSPolicy, at: str, service: Service, section: str
) -> tuple[tuple[int, ...], Iterable[Problem]]:
    """Those of TCP that are meant; TLS over others there is none (GEP-1897)."""
    meant = [port for port in service.spec.ports if section in {"", port.name}]
    found, where = _tcp(meant), f"Service {'/'.join(service.key)}"
    if not meant:
        text = f"{where} has no port named {section!r}" if section else f"{where} has no ports"
        problem = Problem(at=policy.origin(f"{at}.sectionName"), code="TargetNotFound", text=text)
        return (), (problem,)
    others = ", ".join(f"{port.port}/{port.protocol}" for port in meant if port.protocol != "TCP")
    if not found:
        text = f"{others} of {where} is not TCP, of which alone TLS is spoken"
        return (), (Problem(at=policy.origin(at), code="Invalid", text=text),)
    if others:
        text = f"{others} of {where} is not TCP: of that port nothing is said"
        return found, (Problem(at=policy.origin(at), code="NoEffect", text=text, severity=Severity.WARNING),)
    return found, ()


def _tcp(ports: Iterable[ServicePort]) -> tuple[int, ...]:
    return tuple(sorted({port.port for port in ports if port.protocol == "TCP"}))


def settle(claims: Iterable[Claim]) -> tuple[dict[tuple[Key, int], Claim], list[tuple[Claim, Claim]]]:
    """By Service and port the claim that counts, of `claims` by age; and those that lost, each with who won."""
    first: dict[tuple[Key, str], Claim] = {}
    lost: list[tuple[Claim, Claim]] = []
    for claim in claims:
        winner = first.setdefault((claim.service, claim.section), claim)
        if winner is not claim:
            lost.append((claim, winner))
    counts: dict[tuple[Key, int], Claim] = {}
    for claim in sorted(first.values(), key=lambda c: not c.section):  # one that names the port comes first
        for port in claim.ports:
            counts.setdefault((claim.service, port), claim)
    return counts, lost
