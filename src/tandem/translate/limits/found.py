"""What is counted, by target, and at which ports of a Service. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.limits import RateLimit as Counted
from tandem.model.core import ServicePort
from tandem.model.world import Key
from tandem.translate.protocols import app_protocol, routed_http

Section = str | int | None
"""The name of a port or listener, the index of a rule; None: the whole."""
Sections = tuple[tuple[Section, Counted], ...]
"""What is counted at an object: of its whole first."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted, by target; of routes also by kind."""

    services: Mapping[Key, Sections] = MappingProxyType({})
    routes: Mapping[tuple[str, Key], Sections] = MappingProxyType({})
    gateways: Mapping[Key, Sections] = MappingProxyType({})
    named: Mapping[str, frozenset[int]] = MappingProxyType({})
    """The ports of Services (`namespace/name`) that are HTTP since requests are counted there."""
    problems: tuple[Problem, ...] = ()


NO_LIMITS: Final = Limits()


def counted_ports(ports: tuple[ServicePort, ...], name: str) -> frozenset[int]:
    """The ports of a Service at which a limit counts: those of HTTP, also those that are so for the limit's sake."""
    meant = [port for port in ports if port.name == name] if name else list(ports)
    routed = routed_http(ports, (port.port for port in meant) if name else ())
    return frozenset(port.port for port in meant if app_protocol(port).is_http or port.port in routed)
