"""Do the policies say what was meant? Every sentence against the reference evaluators, without root or traffic.

In: a World and Intents. Out: an IntentReport, JSON-ready: for each sentence whether it holds, and if not, who may or
may not reach whom, and by which rule. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

import msgspec

from tandem.base.addresses import family
from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.world import World
from tandem.reference.mentioned import ports, prefixes
from tandem.reference.mtls import Outcome, decide_mtls
from tandem.reference.policy import Decision, Evaluator, Packet
from tandem.views.intent_who import Census, Crowd, networks
from tandem.views.intents import PROTOCOLS, Intent, IntentError, Port, Who

_MOST: Final = 100
"""So many breaches of one sentence are told."""
_Wrong = tuple[tuple[Origin, ...], str]
"""The rules that make it so; without any, why."""


class Breach(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a sentence does not hold: one case, and the rules that make it so."""

    text: str
    source: str = ""
    destination: str = ""
    ports: tuple[str, ...] = ()
    """`8080/TCP`, `1-79/UDP`, `any/SCTP`."""
    rules: tuple[Origin, ...] = ()


class IntentResult(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence."""

    intent: str
    at: str
    """file:line:column."""
    holds: bool
    cases: int
    """How many pairs of ends, each at one port, were judged; each stands for all that policies cannot tell apart."""
    breaches: tuple[Breach, ...]


class IntentReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    holds: bool
    broken: int
    results: tuple[IntentResult, ...]


def check(world: World, intents: Iterable[Intent], *, dns_addresses: tuple[str, ...] = ("10.96.0.10",)) -> IntentReport:
    """Judge every sentence; raises IntentError with every name that names nothing."""
    checker = _Checker(world, dns_addresses)
    results: list[IntentResult] = []
    errors: list[str] = []
    for intent in intents:
        try:
            results.append(checker.result(intent))
        except IntentError as err:
            errors += err.errors
    if errors:
        raise IntentError(tuple(errors))
    broken = sum(not r.holds for r in results)
    return IntentReport(holds=not broken, broken=broken, results=tuple(results))


class _Checker:
    def __init__(self, world: World, dns_addresses: tuple[str, ...]) -> None:
        self._world = world
        self._census = Census(world)
        self._evaluator = Evaluator(world, dns_addresses=dns_addresses)
        self._edges: dict[tuple[tuple[str, str, str], ...], dict[str, list[int]]] = {}

    def result(self, intent: Intent) -> IntentResult:
        cases = 0
        breaches: list[Breach] = []
        for part in _parts(intent):
            for found in self._part(part):
                cases += 1
                # Both families of a pair mostly say the same.
                if found is not None and found not in breaches and len(breaches) < _MOST:
                    breaches.append(found)
        return IntentResult(
            intent=intent.text, at=str(intent.at), holds=not breaches, cases=cases, breaches=tuple(breaches)
        )

    def _part(self, intent: Intent) -> Iterator[Breach | None]:
        """A Breach or None for each case."""
        sources = self._census.crowds(intent.source, intent.namespace)
        destinations = self._census.crowds(intent.destination, intent.namespace)
        for crowds, where in ((sources, "before"), (destinations, "behind")):
            if not crowds and not intent.only:
                yield Breach(text=f"the words {where} the verb mean nobody: nothing was checked")
                return
        seen_from = {source.label: self._distinct(destinations, source) for source in sources}
        for destination in destinations:
            asked = self._asked(intent, destination)
            if isinstance(asked, Breach):
                yield asked
                continue
            seen = self._distinct(sources, destination)
            for source in sources:
                if source.label in seen and destination.label in seen_from[source.label]:
                    yield from self._pair(intent, source, destination, asked)

    def _distinct(self, crowds: tuple[Crowd, ...], end: Crowd) -> frozenset[str]:
        """Of the regions outside those that the policies of an end can tell apart, and every crowd of pods: labels."""
        if not end.pods:
            return frozenset(c.label for c in crowds)
        key = end.pods[0].key
        policies = self._evaluator.judging(Packet(source_pod=key, destination_pod=key))
        known = frozenset(networks(prefixes(policies)))
        found: dict[object, str] = {}
        for crowd in crowds:
            same = crowd.label if crowd.pods else (family(crowd.address), crowd.around & known)
            found.setdefault(same, crowd.label)
        return frozenset(found.values())

    def _asked(self, intent: Intent, crowd: Crowd) -> tuple[Port, ...] | Breach:
        """The ports to ask of a destination; none: every one of every protocol (of what may not be reached)."""
        wanted = intent.ports
        if crowd.services:
            wanted = _behind(crowd, intent.ports)
            if not wanted:
                names = ", ".join(s.metadata.name for s in crowd.services)
                return Breach(text=f"Service {names} has no such port", destination=crowd.label)
        if not wanted and intent.allowed:
            wanted = tuple(
                Port(protocol=p.protocol, first=p.container_port, last=p.container_port)
                for c in (crowd.pods[0].spec.containers if crowd.pods else ())
                for p in c.ports
            )
            if not wanted:
                return Breach(text="it declares no port: say which one is meant", destination=crowd.label)
        numbers = tuple(n for p in wanted for n in _numbered(p, crowd))
        if wanted and not numbers:
            return Breach(text="it has no port of this name", destination=crowd.label)
        return numbers

    def _pair(
        self, intent: Intent, source: Crowd, destination: Crowd, asked: tuple[Port, ...]
    ) -> Iterator[Breach | None]:
        for packet in _packets(source, destination):
            wrong: list[tuple[Port, _Wrong]] = []
            for port in self._ports(packet, destination, asked):
                one = msgspec.structs.replace(packet, protocol=port.protocol, port=port.first)
                found = self._wrong(intent, one)
                if found is None:
                    yield None
                else:
                    wrong.append((port, found))
            yield from _breaches(intent, source, destination, wrong)

    def _wrong(self, intent: Intent, packet: Packet) -> _Wrong | None:
        """(rules, why) of a packet that fares otherwise than it is meant to."""
        decision = self._evaluator.decide(packet)
        refused = self._refused(packet) if decision.allowed else None
        if (decision.allowed and refused is None) is intent.allowed:
            return None
        if not intent.allowed:
            return _allowing(decision)
        rules = decision.by if refused is None else refused
        return rules, "" if rules else "the mesh refuses plain text"

    def _refused(self, packet: Packet) -> tuple[Origin, ...] | None:
        """What the mesh refuses a connection by that policies allow; None: it does not."""
        if packet.protocol != "TCP" or packet.destination_pod is None:
            return None
        destination = self._world.get(core.Pod, *packet.destination_pod)
        source = self._world.get(core.Pod, *packet.source_pod) if packet.source_pod else None
        if destination is None:
            return None
        tls = decide_mtls(self._world, source, destination, packet.port)
        if tls.outcome is not Outcome.REFUSED:
            return None
        return (tls.rule,) if tls.rule is not None else ()

    def _ports(self, packet: Packet, destination: Crowd, asked: tuple[Port, ...]) -> Iterator[Port]:
        """The ranges of ports that the policies on the way, and the names on the pod, can tell apart."""
        every = asked or tuple(Port(protocol=p, first=1, last=65535) for p in PROTOCOLS)
        if all(p.first == p.last for p in every):
            yield from dict.fromkeys(every)
            return
        policies = self._evaluator.judging(packet)
        at = tuple((p.kind, *p.key) for p in policies)
        if at not in self._edges:
            self._edges[at] = _edges_of(ports(policies))
        named = {(p.protocol, p.container_port) for c in _containers(destination) for p in c.ports}
        for wanted in every:
            own = (n for protocol, n in named if protocol == wanted.protocol)
            edges = {*self._edges[at].get(wanted.protocol, ()), *(e for n in own for e in (n, n + 1))}
            inner = sorted(e for e in edges if wanted.first < e <= wanted.last)
            for start, end in pairwise([wanted.first, *inner, wanted.last + 1]):
                yield Port(protocol=wanted.protocol, first=start, last=end - 1)


def _breaches(
    intent: Intent, source: Crowd, destination: Crowd, wrong: Iterable[tuple[Port, _Wrong]]
) -> Iterator[Breach]:
    """One for each reason; ranges of ports that follow one another are one range."""
    by_reason: dict[_Wrong, list[Port]] = {}
    for port, reason in wrong:
        before = by_reason.setdefault(reason, [])
        if before and (before[-1].protocol, before[-1].last + 1) == (port.protocol, port.first):
            before[-1] = Port(protocol=port.protocol, first=before[-1].first, last=port.last)
        else:
            before.append(port)
    said = "may not reach" if intent.allowed else "may reach"
    for (rules, why), found in by_reason.items():
        spans = tuple(_span(p) for p in found)
        text = f"{source.label} {said} {destination.label} on {', '.join(spans)}"
        text += f", by {'; '.join(map(str, rules))}" if rules else f": {why}"
        yield Breach(text=text, source=source.label, destination=destination.label, ports=spans, rules=rules)


def _span(port: Port) -> str:
    if (port.first, port.last) == (1, 65535):
        return f"any/{port.protocol}"
    return f"{port.first}{f'-{port.last}' if port.last != port.first else ''}/{port.protocol}"


def _parts(intent: Intent) -> Iterator[Intent]:
    """`only A may reach B`: A may, and anyone else may not."""
    yield intent
    if intent.only:
        others = Who(at=intent.source.at, everybody=True, excepts=intent.source.items)
        yield msgspec.structs.replace(intent, source=others, allowed=False)


def _packets(source: Crowd, destination: Crowd) -> Iterator[Packet]:
    """One packet from a pod of the one to another pod of the other, for each family that both have."""
    if not source.pods and not destination.pods:
        return
    first = source.pods[0] if source.pods else None
    last = next((p for p in destination.pods if first is None or p.key != first.key), None)
    if destination.pods and last is None:  # a single pod and itself
        if first is None or len(source.pods) < 2:
            return
        first, last = source.pods[1], destination.pods[0]
    own = first.addresses if first is not None else (source.address,)
    theirs = last.addresses if last is not None else (destination.address,)
    pairs = [(a, to) for to in theirs for a in own if family(a) == family(to)][: len(theirs)]
    if not own or not theirs:  # a pod that has no address yet is judged by its labels
        pairs = [("".join(own[:1]), "".join(theirs[:1]))]
    for facing, to in pairs:
        yield Packet(
            source=facing,
            destination=to,
            source_pod=first.key if first is not None else None,
            destination_pod=last.key if last is not None else None,
        )


def _containers(crowd: Crowd) -> tuple[core.Container, ...]:
    return (*crowd.pods[0].spec.containers, *crowd.pods[0].spec.init_containers) if crowd.pods else ()


def _numbered(port: Port, crowd: Crowd) -> Iterator[Port]:
    """A name is what the containers of the destination say."""
    if not port.name:
        yield port
        return
    for container in _containers(crowd):
        for p in container.ports:
            if (p.name, p.protocol) == (port.name, port.protocol):
                yield Port(protocol=p.protocol, first=p.container_port, last=p.container_port)


def _behind(crowd: Crowd, asked: tuple[Port, ...]) -> tuple[Port, ...]:
    """The ports of the pods behind the ports of Services that are asked for; all of those if none is."""
    found: list[Port] = []
    for service in crowd.services:
        for port in service.spec.ports:
            if not asked or any(_is_meant(port, p) for p in asked):
                target = port.target_port or port.port
                name = target if isinstance(target, str) else ""
                number = target if isinstance(target, int) else 0
                found.append(Port(protocol=port.protocol, first=number, last=number, name=name))
    return tuple(found)


def _is_meant(port: core.ServicePort, asked: Port) -> bool:
    if port.protocol != asked.protocol:
        return False
    return port.name == asked.name if asked.name else asked.first <= port.port <= asked.last


def _edges_of(ranges: Iterable[tuple[str, int, int]]) -> dict[str, list[int]]:
    found: dict[str, set[int]] = {}
    for protocol, first, last in ranges:
        found.setdefault(protocol, set()).update((first, last + 1))
    return {protocol: sorted(edges) for protocol, edges in found.items()}


def _allowing(decision: Decision) -> tuple[tuple[Origin, ...], str]:
    """The rules that let it pass; where a side has none, why it is open."""
    rules = tuple(dict.fromkeys(s.origin for s in decision.steps if s.effect in {"accepts", "allows"} and not s.staged))
    reasons = [s.reason for s in decision.steps if s.effect in {"default allow", "exempt"}]
    return rules, "" if rules else reasons[-1] if reasons else ""
