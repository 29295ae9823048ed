"""linkerd.io ServiceProfile: routes of a Service, and what is tried again; the fields that we act on."""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.model.core import IntOrString
from tandem.model.meta import Model, Object, Status

GROUP: Final = "linkerd.io"


class RequestMatch(Model, frozen=True, kw_only=True):
    """condition: all that is given must hold."""

    path_regex: str = ""
    method: str = ""
    every: tuple[RequestMatch, ...] = msgspec.field(name="all", default=())
    some: tuple[RequestMatch, ...] = msgspec.field(name="any", default=())
    negated: RequestMatch | None = msgspec.field(name="not", default=None)


class StatusRange(Model, frozen=True, kw_only=True):
    """status; one bound alone is that one code."""

    least: int | None = msgspec.field(name="min", default=None)
    most: int | None = msgspec.field(name="max", default=None)


class ResponseMatch(Model, frozen=True, kw_only=True):
    """responseClasses[].condition: all that is given must hold."""

    status: StatusRange | None = None
    every: tuple[ResponseMatch, ...] = msgspec.field(name="all", default=())
    some: tuple[ResponseMatch, ...] = msgspec.field(name="any", default=())
    negated: ResponseMatch | None = msgspec.field(name="not", default=None)


class ResponseClass(Model, frozen=True, kw_only=True):
    """responseClasses[]; the first whose condition holds says whether an answer is a failure."""

    condition: ResponseMatch = ResponseMatch()
    is_failure: bool = False


class ProfileRoute(Model, frozen=True, kw_only=True):
    """routes[]."""

    name: str = ""
    condition: RequestMatch = RequestMatch()
    response_classes: tuple[ResponseClass, ...] = ()
    is_retryable: bool = False
    timeout: str = ""


class ProfileBudget(Model, frozen=True, kw_only=True):
    """retryBudget."""

    retry_ratio: float = 0.2
    min_retries_per_second: int = 10
    ttl: str = "10s"


class WeightedDestination(Model, frozen=True, kw_only=True):
    """dstOverrides[]."""

    authority: str = ""
    weight: IntOrString | float = 0


class ServiceProfileSpec(Model, frozen=True, kw_only=True):
    """spec."""

    routes: tuple[ProfileRoute, ...] = ()
    retry_budget: ProfileBudget | None = None
    dst_overrides: tuple[WeightedDestination, ...] = ()
    opaque_ports: tuple[str, ...] = ()


class ServiceProfile(Object, frozen=True, kw_only=True):
    """linkerd.io ServiceProfile; its name is the full name of the Service."""

    spec: ServiceProfileSpec = ServiceProfileSpec()
    status: Status = Status()
