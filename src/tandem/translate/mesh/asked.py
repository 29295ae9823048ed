"""What annotations of Services ask of those who call them, and what becomes of it. Pure.

It is read apart from the rest of the mesh, and the same while no Service asks for something else, whatever else changes
of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import RouteMatch
from tandem.ir.traffic import Outlier, TrafficPolicy
from tandem.model.core import Service
from tandem.model.world import Key, World
from tandem.translate.mesh.context import Layer, plain_route
from tandem.translate.mesh.istio.distribution import Wishes, read_wishes
from tandem.translate.mesh.linkerd.annotated import BALANCING, RETRIES, TIMEOUTS, Patience, read_accrual, read_patience

_ABOUT: Final = (TIMEOUTS, RETRIES, *BALANCING)


class OfService(msgspec.Struct, frozen=True, kw_only=True):
    """What Linkerd's annotations of one Service ask for."""

    patience: Patience
    outlier: Outlier | None
    origin: Origin


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Of all Services, and of namespaces."""

    wishes: Wishes = Wishes()
    services: tuple[tuple[Key, OfService], ...] = ()
    problems: tuple[Problem, ...] = ()


def read_asked(world: World) -> Asked:
    """What is asked for, and what of it cannot be read."""
    problems: list[Problem] = []
    found = {
        key: _read(service, problems)
        for key, service in sorted(world.all(Service).items())
        if any(name.startswith(_ABOUT) for name in service.metadata.annotations)
    }
    return Asked(wishes=read_wishes(world), services=tuple(found.items()), problems=tuple(problems))


def _read(service: Service, problems: list[Problem]) -> OfService:
    patience, wrong = read_patience(service, of=("http", "grpc"), severity=Severity.WARNING)
    outlier, more = read_accrual(service)
    problems += (*wrong, *more)
    return OfService(patience=patience, outlier=outlier, origin=service.origin("metadata.annotations"))


def with_rests(policies: Mapping[Key, TrafficPolicy], asked: Asked) -> dict[Key, TrafficPolicy]:
    """The policies of Services, and of some of their callers, with what annotations say of endpoints that rest.

    Where something else says it, that holds.
    """
    found = dict(policies)
    for key, said in asked.services:
        if said.outlier is not None:
            known = found.get(key) or TrafficPolicy(namespace=key[0], service=key[1], origin=said.origin)
            found[key] = known.each(partial(TrafficPolicy.watched, outlier=said.outlier))
    return found


def plain_layers(asked: Asked, above: Iterable[Layer]) -> Iterator[Layer]:
    """A layer for each Service that asks for time or retries, and of whose requests no other is for everyone."""
    taken = {layer.service for layer in above if not layer.consumer}
    for key, said in asked.services:
        if key not in taken and (said.patience.timed or said.patience.retry is not None):
            route = said.patience.under(plain_route(key, said.origin))
            yield Layer(service=key, routes=(route,), scopes=(RouteMatch(),), origin=said.origin)
