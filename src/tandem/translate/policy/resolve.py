"""Clauses -> IR rules and address groups, among the pods that there are now. Pure.

A named port is a number of the *destination* pod: of the subject for ingress; for egress one rule for each number that
the name has on the peers. Rules of one clause stand side by side, so that the order of clauses is that of their rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from tandem.base.ids import GroupId
from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.policy import AddressGroup, Anyone, Group, Peer, PortMatch, Rule, Side, Verdict
from tandem.translate.policy.draft import EVERY_POD, Clause, Draft, NamedPort, NodeSelector, PodSelector
from tandem.translate.policy.select import Target, address_group, group_id

NamedPorts = tuple[tuple[str, str, int], ...]
"""(name, protocol, number) of a pod's container ports."""


class Findable(Protocol):
    """The part of a Population that a Resolver looks into."""

    def select(self, selector: PodSelector) -> Iterable[Target]:
        """The targets that a selector of pods matches now: those with the same ports may be one."""

    def addresses(self, selector: PodSelector | NodeSelector) -> tuple[str, ...]:
        """The addresses that a selector means now."""


class Resolver:
    """Makes rules of clauses; collects, once for all policies, the groups they refer to and what is told of them."""

    def __init__(self, population: Findable) -> None:
        self.population = population
        self._groups: dict[GroupId, AddressGroup] = {}
        self._problems: dict[tuple[Origin, str, str], Problem] = {}

    @property
    def groups(self) -> dict[GroupId, AddressGroup]:
        """Every group referred to, by id, sorted."""
        return {k: self._groups[k] for k in sorted(self._groups)}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was told, each thing once, sorted."""
        return tuple(self._problems[k] for k in sorted(self._problems))

    def report(self, problem: Problem) -> None:
        """Add a Problem; the same one is kept once."""
        self._problems[problem.at, problem.code, problem.text] = problem

    def warn(self, at: Origin, code: str, text: str) -> None:
        """Add a warning."""
        self.report(Problem(at=at, code=code, text=text, severity=Severity.WARNING))

    def rules(self, draft: Draft, side: Side, subject_ports: NamedPorts) -> tuple[Rule, ...]:
        """What `draft` says of one side of a subject with these named ports, in its order."""
        judgement = draft.side(side)
        clauses = () if judgement is None else judgement.clauses
        if side is Side.INGRESS:
            found = [r for c in clauses for r in self._ingress(c, subject_ports)]
        else:
            found = [r for c in clauses for r in self._egress(c)]
        if not (draft.rejects or draft.keeps):
            return tuple(found)
        return tuple(
            msgspec.structs.replace(r, rejects=draft.rejects, keeps=draft.keeps) if r.verdict is Verdict.DENY else r
            for r in found
        )

    def _ingress(self, clause: Clause, subject_ports: NamedPorts) -> Iterator[Rule]:
        named = (m for name in clause.names for m in _numbers(name, subject_ports))
        ports = tuple(sorted({*clause.ports, *named}))
        if ports or clause.every_port:
            yield self._rule(clause, self._peers(clause), ports)

    def _egress(self, clause: Clause) -> Iterator[Rule]:
        if clause.ports or clause.every_port:
            yield self._rule(clause, self._peers(clause), clause.ports)
        for name in clause.names:
            yield from self._egress_named(clause, name)

    def _egress_named(self, clause: Clause, name: NamedPort) -> Iterator[Rule]:
        """Pods only: an ipBlock has no pods, and so no names of ports (NetworkPolicy API, `ports[].port`)."""
        selectors = [EVERY_POD if isinstance(p, Anyone) else p for p in clause.peers]
        matched = False
        for selector in selectors:
            if not isinstance(selector, PodSelector):
                continue
            targets = self.population.select(selector)
            for match in sorted({m for t in targets for m in _numbers(name, t.ports)}):
                matched = True
                narrowed = msgspec.structs.replace(selector, port=(name.name, match.protocol, match.first))
                yield self._rule(clause, (self.group(narrowed),), (match,))
        if not matched:
            self.warn(clause.origin, "NamedPortNotFound", no_such_port(clause.origin, name, "destination"))

    def _rule(self, clause: Clause, peers: tuple[Peer, ...], ports: tuple[PortMatch, ...]) -> Rule:
        return Rule(peers=peers, ports=ports, origin=clause.origin, verdict=clause.verdict)

    def _peers(self, clause: Clause) -> tuple[Peer, ...]:
        return tuple(self.group(p) if isinstance(p, PodSelector | NodeSelector) else p for p in clause.peers)

    def group(self, selector: PodSelector | NodeSelector) -> Group:
        """The group of a selector, filled."""
        name = group_id(selector)
        if name not in self._groups:
            self._groups[name] = address_group(selector, self.population.addresses(selector))
        return Group(id=name)


def _numbers(name: NamedPort, ports: NamedPorts) -> Iterator[PortMatch]:
    """What a name stands for on a pod with these ports."""
    for own, protocol, number in ports:
        if own == name.name and name.protocol in {"", protocol}:
            yield PortMatch(protocol=protocol, first=number, last=number)


def no_such_port(origin: Origin, port: NamedPort, whose: str) -> str:
    """The text of a NamedPortNotFound Problem."""
    protocol = f" ({port.protocol})" if port.protocol else ""
    return (
        f"{origin.path}.ports names port {port.name!r}{protocol}, but no {whose} pod has a container port of "
        "that name: the entry matches nothing"
    )
