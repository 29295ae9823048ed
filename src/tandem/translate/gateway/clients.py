"""spec.tls.frontend of a Gateway -> what clients of each port must show, with Problems at the exact field. Pure.

It is about listeners of HTTPS: those of a port that `perPort` names follow its entry, all others the default. The
listeners of a port have it in common, as a connection that a client has for one host is used for others too (GEP-91).
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.tlsterms import ClientProof
from tandem.model import gateways as model
from tandem.model.gateways import GROUP, Gateway
from tandem.model.world import World
from tandem.translate.gateway.roots import Bundle, read_roots
from tandem.translate.grants import Referrer, Target, permitted

INSECURE: Final = "AllowInsecureFallback"
NONE_VALID: Final = "NoValidCACertificate"


class Governed(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for the listeners of one port."""

    at: str = ""
    """Where in the Gateway it stands: what is wrong there is told to those listeners. Empty: nothing does."""
    clients: ClientProof | None = None
    wrong: tuple[tuple[str, str, str], ...] = ()
    """Path, code and text of what cannot be used."""
    refused: bool = False
    """No authority that is named can be used, so that nobody could be let in."""


NOT_ASKED: Final = Governed()
"""Clients are not asked for a certificate."""


def read_clients(world: World, gateway: Gateway, ports: frozenset[int]) -> tuple[dict[int, Governed], list[Problem]]:
    """By port, of `ports`: those that have listeners of HTTPS."""
    frontend = gateway.spec.tls.frontend
    own = {one.port: (f"spec.tls.frontend.perPort[{i}].tls", one.tls) for i, one in enumerate(frontend.per_port)}
    read: dict[str, Governed] = {}
    problems = [_idle(gateway, at, port) for port, (at, tls) in own.items() if tls.validation and port not in ports]
    found: dict[int, Governed] = {}
    for port in sorted(ports):
        at, tls = own.get(port, ("spec.tls.frontend.default", frontend.default))
        if tls.validation is None:
            found[port] = NOT_ASKED
            continue
        if at not in read:
            read[at] = _read(world, gateway, f"{at}.validation", tls.validation)
            problems += (Problem(at=gateway.origin(p), code=code, text=text) for p, code, text in read[at].wrong)
        found[port] = read[at]
    return found, problems


def falls_back(gateway: Gateway) -> bool:
    """Whether somewhere clients are let in without a valid certificate that they are asked for."""
    frontend = gateway.spec.tls.frontend
    every = (frontend.default, *(one.tls for one in frontend.per_port))
    return any(tls.validation is not None and tls.validation.mode == INSECURE for tls in every)


def _idle(gateway: Gateway, at: str, port: int) -> Problem:
    text = f"no listener of HTTPS has the port {port}: nobody is asked for a certificate"
    return Problem(at=gateway.origin(f"{at}.validation"), code="NoEffect", text=text, severity=Severity.WARNING)


def _read(world: World, gateway: Gateway, at: str, validation: model.ClientValidation) -> Governed:
    home = gateway.metadata.namespace
    who = Referrer(group=GROUP, kind="Gateway", namespace=home)
    bundles = [
        Bundle(
            group=ref.group,
            kind=ref.kind,
            key=(ref.namespace or home, ref.name),
            permitted=permitted(
                world, who, Target(group=ref.group, kind=ref.kind, namespace=ref.namespace or home, name=ref.name)
            ),
        )
        for ref in validation.ca_certificate_refs
    ]
    roots = read_roots(world, bundles, invalid="InvalidCACertificateRef", unknown="InvalidCACertificateKind")
    wrong = [(f"{at}.caCertificateRefs[{i}]", code, text) for i, (code, text) in roots.wrong.items()]
    if not roots.pem:
        text = "no certificate of a client could be valid: the listeners are not served"
        wrong.append((f"{at}.caCertificateRefs", NONE_VALID, text))
    lenient = validation.mode == INSECURE
    clients = ClientProof(roots_pem=roots.pem, required=not lenient, lenient=lenient)
    return Governed(at=at, clients=clients, wrong=tuple(wrong), refused=not roots.pem)
