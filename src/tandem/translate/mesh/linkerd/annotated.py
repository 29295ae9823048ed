"""Linkerd's annotations of routes and Services -> how long, how often, and who rests after failures. Pure.

Of annotations that belong together none counts where one of them cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import DEFAULT_RETRY, Forward, Retry, Route
from tandem.ir.traffic import Outlier
from tandem.model.meta import Object

TIMEOUTS: Final = "timeout.linkerd.io/"
RETRIES: Final = "retry.linkerd.io/"
BALANCING: Final = ("balancer.linkerd.io/", "balancer.alpha.linkerd.io/")
ACCRUAL: Final = "balancer.linkerd.io/failure-accrual"
_CONSECUTIVE: Final = f"{ACCRUAL}-consecutive-"
_UNSENT: Final = ("connect-failure", "refused-stream")
"""What has reached nobody may be sent again, whatever else is said."""
_GRPC: Final = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")
_SPANS: Final = {"5xx": range(500, 600), "gateway-error": range(502, 505)}
_CODES: Final = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?")
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_SCALES: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MOST, _MOST_MS = 2**16, 2**53
_FAILURES, _LEAST_MS, _LONGEST_MS = 7, 1000, 60_000
_SWEEPS_MS: Final = (100, 10_000)
"""How often, at most and at least, it is looked whose time is over."""
V = TypeVar("V")


class Patience(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a request may take and what is tried again; 0 and None: nothing is said of it."""

    request_ms: int = 0
    response_ms: int = 0
    """From the end of the request on."""
    idle_ms: int = 0
    retry: Retry | None = None

    @property
    def timed(self) -> bool:
        """Something is said of time."""
        return bool(self.request_ms or self.response_ms or self.idle_ms)

    def over(self, route: Route) -> Route:
        """The route as its own annotations have it, which come before fields of its rules."""
        if not isinstance(route.action, Forward):
            return route
        retry = route.retry
        if self.retry is not None:
            per_try = self.retry.per_try_timeout_ms or (retry.per_try_timeout_ms if retry is not None else 0)
            retry = msgspec.structs.replace(self.retry, per_try_timeout_ms=per_try)
        return self._timed(msgspec.structs.replace(route, retry=retry))

    def under(self, route: Route) -> Route:
        """The route as the annotations of its Service have it where it says nothing itself."""
        if not isinstance(route.action, Forward):
            return route
        if self.retry is not None and route.retry is not None and _is_default(route.retry):
            per_try = self.retry.per_try_timeout_ms or route.retry.per_try_timeout_ms
            route = msgspec.structs.replace(
                route, retry=msgspec.structs.replace(self.retry, per_try_timeout_ms=per_try)
            )
        return self._timed(route) if not route.timeout_ms and route.idle_ms is None else route

    def _timed(self, route: Route) -> Route:
        if not self.timed:
            return route
        whole = min((ms for ms in (self.request_ms or route.timeout_ms, self.response_ms) if ms), default=0)
        idle = self.idle_ms or route.idle_ms
        return msgspec.structs.replace(route, timeout_ms=whole, idle_ms=idle)


def read_patience(owner: Object, *, of: Collection[str], severity: Severity) -> tuple[Patience, tuple[Problem, ...]]:
    """What an object says of time and retries. `of`: `http`, `grpc` or both, whose answers are asked about."""
    reader = _Reader(owner, severity)
    times = reader.together(lambda: {n: reader.time(f"{TIMEOUTS}{n}") for n in ("request", "response", "idle")}) or {}
    retry = reader.together(lambda: reader.retry(of))
    reader.strange(TIMEOUTS, {"request", "response", "idle"})
    reader.strange(RETRIES, {"limit", "timeout", *of})
    named = {f"{name}_ms": value for name, value in times.items()}
    return Patience(**named, retry=retry), tuple(reader.problems)


def read_accrual(service: Object) -> tuple[Outlier | None, tuple[Problem, ...]]:
    """Which endpoints of a Service rest after failures; None: nothing is said of that."""
    reader = _Reader(service, Severity.WARNING)
    found = reader.together(reader.accrual)
    if ACCRUAL not in service.metadata.annotations:
        for name in sorted(name for name in service.metadata.annotations if name.startswith(BALANCING)):
            reader.report(name, "AnnotationIgnored", f"it counts beside {ACCRUAL}, which is not there")
    return found, tuple(reader.problems)


def _is_default(retry: Retry) -> bool:
    return msgspec.structs.replace(retry, per_try_timeout_ms=0) == DEFAULT_RETRY


class _Reader:
    """Reads the annotations of one object."""

    def __init__(self, owner: Object, severity: Severity) -> None:
        self._owner = owner
        self._severity = severity
        self._said: Mapping[str, str] = owner.metadata.annotations
        self._unread = 0
        self.problems: list[Problem] = []

    def together(self, read: Callable[[], V]) -> V | None:
        """What is read, or nothing of it."""
        before, found = self._unread, read()
        return found if self._unread == before else None

    def strange(self, prefix: str, known: Collection[str]) -> None:
        """Tell of annotations of which nothing is made."""
        for name in sorted(self._said):
            if name.startswith(prefix) and name.removeprefix(prefix) not in known:
                self.report(name, "AnnotationIgnored", "nothing is made of it here")

    def _wrong(self, name: str, text: str) -> None:
        self._unread += 1
        self.report(name, "InvalidValue", text, self._severity)

    def report(self, name: str, code: str, text: str, severity: Severity = Severity.WARNING) -> None:
        at = self._owner.origin(f"metadata.annotations[{name}]")
        self.problems.append(Problem(at=at, code=code, text=text, severity=severity))

    def time(self, name: str, default: int = 0) -> int:
        """Milliseconds."""
        text = self._said.get(name, "").strip()
        if text in {"", "0"}:
            return default if not text else 0
        found = _DURATION.fullmatch(text)
        value = int(found[1]) * _SCALES[found[2]] if found is not None else _MOST_MS
        if value >= _MOST_MS:
            self._wrong(name, f"{text!r} is not a duration such as 300ms or 5s")
        return value

    def number(self, name: str, default: int) -> int:
        text = self._said.get(name, "").strip()
        if text and not (text.isdecimal() and int(text) < _MOST):
            self._wrong(name, f"{text!r} is not a number")
            return default
        return int(text) if text else default

    def retry(self, of: Collection[str]) -> Retry | None:
        """None: nothing is said of retries."""
        limit = self.number(f"{RETRIES}limit", 0)
        per_try = self.time(f"{RETRIES}timeout")
        codes = tuple(sorted({code for span in self._spans() for code in span})) if "http" in of else ()
        called = tuple(self._called()) if "grpc" in of else ()
        if not (limit or per_try or codes or called):
            return None
        on = (*_UNSENT, *(["reset"] if per_try else ()), *(["retriable-status-codes"] if codes else ()), *called)
        return Retry(attempts=limit or 1, per_try_timeout_ms=per_try, retry_on=on, retriable_codes=codes)

    def _listed(self, name: str) -> list[str]:
        return [part.lower() for part in self._said[name].split(",")] if name in self._said else []

    def _spans(self) -> Iterator[range]:
        name = f"{RETRIES}http"
        for part in self._listed(name):
            found = _CODES.fullmatch(part)
            span = _SPANS.get(part) or (range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0))
            if not span:
                self._wrong(name, f"{part!r} is none of 5xx, gateway-error, a status, or a span such as 500-504")
            yield span

    def _called(self) -> Iterator[str]:
        name = f"{RETRIES}grpc"
        for part in self._listed(name):
            if part not in _GRPC:
                self._wrong(name, f"{part!r} is none of {', '.join(_GRPC)}")
            yield part

    def accrual(self) -> Outlier | None:
        """Consecutive failures; success rates eject nobody here."""
        mode = self._said.get(ACCRUAL)
        if mode is None:
            return None
        if mode not in {"consecutive", "unified"}:
            self._wrong(ACCRUAL, f"{mode!r} is none of consecutive, unified")
        failures = self.number(f"{_CONSECUTIVE}max-failures", _FAILURES)
        least = self.time(f"{_CONSECUTIVE}min-penalty", _LEAST_MS)
        longest = self.time(f"{_CONSECUTIVE}max-penalty", _LONGEST_MS)
        if not 0 < longest >= least:
            self._wrong(f"{_CONSECUTIVE}max-penalty", f"{longest} ms is 0, or less than the least penalty")
        read = {f"{_CONSECUTIVE}{name}" for name in ("max-failures", "min-penalty", "max-penalty")}
        for name in sorted(self._said):
            if name.startswith(BALANCING) and name not in {ACCRUAL, *read}:
                self.report(name, "AnnotationIgnored", "endpoints rest after failures in a row alone, without chance")
        few, many = _SWEEPS_MS
        sweep = min(max(least, few), many)
        rest = {"interval_ms": sweep, "ejection_ms": max(least, 1), "longest_ms": longest}
        return Outlier(errors=failures, **rest, most_percent=100) if failures else None
