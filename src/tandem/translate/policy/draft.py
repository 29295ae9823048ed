"""A policy of any kind as translation sees it: which pods it judges, and its clauses in order. Values only.

A Draft is made from one policy alone, without pods or namespaces: it changes with its policy and with nothing else.
`resolve.py` makes rules of its clauses, `sets.py` puts the drafts of one pod together.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from tandem.base.problems import Origin, Problem
from tandem.ir.policy import Anyone, Cidr, Domains, PortMatch, Side, Verdict
from tandem.model.selectors import LabelSelector


class Tier(IntEnum):
    """Where a policy is judged, in this order."""

    ADMIN = 0
    NETWORK = 1
    BASELINE = 2


class PodSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Pods by their labels and those of their namespaces; `namespaces` None: of `namespace` only.

    As a peer it is resolved to an address group; equal selectors are one group.
    """

    namespace: str = ""
    namespaces: LabelSelector | None = None
    pods: LabelSelector = LabelSelector()
    port: tuple[str, str, int] | None = None
    """Only pods on which (name, protocol) is this number: named ports differ from pod to pod."""


class NodeSelector(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes by their labels: the addresses in their status, which are those of host-network pods too."""

    nodes: LabelSelector


EVERY_POD = PodSelector(namespaces=LabelSelector())
ClausePeer = Anyone | Cidr | Domains | PodSelector | NodeSelector


class NamedPort(msgspec.Struct, frozen=True, kw_only=True):
    """A container port by its name; `protocol` empty: of whatever protocol."""

    name: str
    protocol: str = ""


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of a policy, with names of ports that are not numbers yet.

    Matches what `ports` or `names` match; everything where `every_port`.
    """

    origin: Origin
    peers: tuple[ClausePeer, ...]
    verdict: Verdict = Verdict.ACCEPT
    ports: tuple[PortMatch, ...] = ()
    names: tuple[NamedPort, ...] = ()
    every_port: bool = False


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says of one side of its subjects; `origin` is the whole list of rules."""

    origin: Origin
    clauses: tuple[Clause, ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One policy. `order` sorts the drafts of a tier; a side that is None is not judged."""

    origin: Origin
    tier: Tier
    order: tuple[int | str, ...]
    subject: PodSelector
    ingress: Judgement | None = None
    egress: Judgement | None = None
    staged: bool = False
    rejects: bool = False
    keeps: bool = False
    problems: tuple[Problem, ...] = ()

    @property
    def key(self) -> tuple[int, tuple[int | str, ...]]:
        """Identity and order among all drafts."""
        return self.tier, self.order

    def side(self, side: Side) -> Judgement | None:
        """What it says of one side."""
        return self.ingress if side is Side.INGRESS else self.egress
