"""Telemetry objects -> which requests and connections of each pod become flows (Logging), with Problems. Pure.

Istio's rules: what the root namespace says, then the pod's namespace, then the Telemetry that selects the pod; among
those of one scope the oldest is used. An entry is for providers, those of the entry before where it names none; the
narrowest scope that names some says which count, and of each the last entry for a side decides. There is one log here:
it has what any of them would have. A side of which nothing is said is logged, as without any Telemetry.

One that is attached to Services selects the pods behind them, for what they are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.logged import EVERYTHING, Logged, Logging
from tandem.model.core import Pod, Service
from tandem.model.selectors import matches_map
from tandem.model.telemetry import AccessLogging, Telemetry
from tandem.model.world import World
from tandem.translate.mesh.istio import cel
from tandem.translate.mesh.istio.scoped import is_of_services, refs_of

_DEFAULT: Final = ("",)
"""The providers of what names none."""
_TRACING: Final = "has no effect: proxies make no spans; headers of a trace pass as they are"
_METRICS: Final = "has no effect: what is counted here is the same for all pods"


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One item of accessLogging; `when` is read."""

    mode: str
    providers: tuple[str, ...]
    disabled: bool
    when: str
    origin: Origin


class _Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which pods of its namespace one is for: those that some of the selectors match."""

    telemetry: Telemetry
    selectors: tuple[Mapping[str, str], ...]
    attached: bool = False
    """To Services: it says nothing of what pods send."""


class TelemetryIndex:
    """Telemetry by scope, each list oldest first; `problems` is what is wrong with them."""

    def __init__(self, world: World, root_namespace: str) -> None:
        self._root = root_namespace
        self._wide: dict[str, Telemetry] = {}
        self._workload: dict[str, list[_Choice]] = {}
        self._entries: dict[tuple[str, str], tuple[_Entry, ...]] = {}
        found: list[Problem] = []
        for telemetry in world.oldest_first(Telemetry):
            namespace = telemetry.metadata.namespace
            found += _unmet(telemetry)
            selector = telemetry.spec.selector
            if refs_of(telemetry):
                behind = tuple(_behind(telemetry, world, found))
                choice = _Choice(telemetry=telemetry, selectors=behind, attached=True)
                self._workload.setdefault(namespace, []).append(choice)
            elif selector is not None and selector.match_labels:
                choice = _Choice(telemetry=telemetry, selectors=(selector.match_labels,))
                self._workload.setdefault(namespace, []).append(choice)
            elif namespace in self._wide:
                text = f"not used: {self._wide[namespace].origin()} is older and is for the whole namespace"
                found.append(Problem(at=telemetry.origin(), code="Shadowed", text=text, severity=Severity.WARNING))
                continue
            else:
                self._wide[namespace] = telemetry
                found += _past_gateways(telemetry)
            self._entries[telemetry.key] = tuple(_entries(telemetry, found))
        self.problems = tuple(found)

    def logging(self, pod: Pod) -> Logging:
        """What of a pod's requests and connections become flows."""
        if not self._entries:
            return EVERYTHING
        home = pod.metadata.namespace
        wide = [self._wide.get(namespace) for namespace in dict.fromkeys((self._root, home))]
        own = [choice for choice in self._workload.get(home, ()) if _selects(choice, pod)]

        def levels(choices: Iterable[_Choice]) -> list[tuple[_Entry, ...]]:
            closest = next((choice.telemetry for choice in choices), None)
            return [self._entries[scope.key] for scope in (*wide, closest) if scope is not None]

        sending = levels(choice for choice in own if not choice.attached)
        return Logging(client=_merged(sending, "CLIENT"), server=_merged(levels(own), "SERVER"))


def _selects(choice: _Choice, pod: Pod) -> bool:
    return any(matches_map(selector, pod.metadata.labels) for selector in choice.selectors)


def _behind(telemetry: Telemetry, world: World, problems: list[Problem]) -> Iterator[Mapping[str, str]]:
    """The selectors of the Services that it is attached to."""
    home = telemetry.metadata.namespace

    def wrong(path: str, code: str, text: str) -> None:
        problems.append(Problem(at=telemetry.origin(path), code=code, text=text))

    for path, ref in refs_of(telemetry):
        service = world.get(Service, home, ref.name)
        if not is_of_services(ref):
            text = "only Services can be attached to: what reaches gateways is always told; it is about nothing there"
            wrong(path, "UnsupportedField", text)
        elif ref.namespace not in {"", home}:
            wrong(f"{path}.namespace", "RefNotPermitted", f"it must be {home}, its own: it is about nothing there")
        elif service is None:
            wrong(f"{path}.name", "TargetNotFound", f"no Service {home}/{ref.name}: it is about nothing there")
        elif service.spec.selector:
            yield service.spec.selector
    for i, entry in enumerate(telemetry.spec.access_logging):
        if entry.match.mode == "CLIENT":
            text = "what is attached to a Service is about what its pods are sent"
            problems.append(_warning(telemetry, f"spec.accessLogging[{i}].match.mode", code="NoEffect", text=text))


def _merged(levels: list[tuple[_Entry, ...]], mode: str) -> Logged:
    """`levels`: what each scope says, the widest first."""
    said = [[entry for entry in entries if entry.mode in {mode, "CLIENT_AND_SERVER"}] for entries in levels]
    counting: set[str] = set(_DEFAULT)
    for entries in said:
        counting = {name for entry in entries for name in entry.providers} or counting
    last: dict[str, _Entry] = {}
    before: tuple[str, ...] = _DEFAULT
    for entry in (entry for entries in said for entry in entries):
        before = entry.providers or before
        last |= dict.fromkeys(counting.intersection(before), entry)
    entries = [last[name] for name in sorted(last)]
    origins = tuple(sorted({entry.origin for entry in entries}))
    logging = [entry for entry in entries if not entry.disabled]
    if entries and not logging:
        return Logged(nothing=True, origins=origins)
    if not all(entry.when for entry in logging):
        return Logged()
    terms = sorted({entry.when for entry in logging})
    when = terms[0] if len(terms) == 1 else " || ".join(f"( {term} )" for term in terms)
    return Logged(when=when, origins=origins) if terms else Logged()


def _entries(telemetry: Telemetry, problems: list[Problem]) -> Iterator[_Entry]:
    for i, entry in enumerate(telemetry.spec.access_logging):
        path = f"spec.accessLogging[{i}]"
        yield _Entry(
            mode=entry.match.mode,
            providers=tuple(provider.name for provider in entry.providers),
            disabled=bool(entry.disabled),
            when=_when(telemetry, entry, f"{path}.filter.expression", problems),
            origin=telemetry.origin(path),
        )
        for j, provider in enumerate(entry.providers):
            text = f"there is one log here, `tandem flows`: what is said of {provider.name!r} is said of it"
            problems.append(_warning(telemetry, f"{path}.providers[{j}].name", code="OtherProvider", text=text))


def _when(telemetry: Telemetry, entry: AccessLogging, path: str, problems: list[Problem]) -> str:
    if entry.filter is None or not entry.filter.expression.strip():
        return ""
    when, wrong = cel.read(entry.filter.expression)
    if wrong:
        text = f"{wrong}: nothing is left out by it"
        problems.append(Problem(at=telemetry.origin(path), code="InvalidValue", text=text))
    return when


def _unmet(telemetry: Telemetry) -> Iterator[Problem]:
    spec = telemetry.spec
    for name, entries, text in (("tracing", spec.tracing, _TRACING), ("metrics", spec.metrics, _METRICS)):
        for i, fields in enumerate(entries):
            for path in _given(fields, f"spec.{name}[{i}]"):
                yield _warning(telemetry, path, code="NoEffect", text=text)


def _given(fields: dict[str, object], at: str) -> Iterator[str]:
    """The path of each field, and of each item of a list; without those that say whom the others are about."""
    for name, value in fields.items():
        # No span is reported as it is.
        if name == "match" or (name == "disableSpanReporting" and value is True):
            continue
        if isinstance(value, list):
            yield from (f"{at}.{name}[{i}]" for i in range(len(value)))
        else:
            yield f"{at}.{name}"


def _past_gateways(telemetry: Telemetry) -> Iterator[Problem]:
    """Of the whole namespace are its gateways too, and in Istio they are clients."""
    for i, entry in enumerate(telemetry.spec.access_logging):
        if entry.match.mode != "SERVER" and (entry.disabled or entry.filter is not None):
            text = "leaves nothing out of what reaches gateways: that is always told"
            yield _warning(telemetry, f"spec.accessLogging[{i}]", code="NotAtGateways", text=text)


def _warning(telemetry: Telemetry, path: str, *, code: str, text: str) -> Problem:
    return Problem(at=telemetry.origin(path), code=code, text=text, severity=Severity.WARNING)
