"""The policy sets that Kins share, made by the functions of the whole translation, with what was read for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tandem.base.ids import GroupId
from tandem.base.problems import Problem
from tandem.ir.policy import Group, PolicySet, Side
from tandem.translate.live.crowd import Crowd, Kin, Ports, Selection
from tandem.translate.policy.draft import Draft, NodeSelector, PodSelector
from tandem.translate.policy.resolve import Resolver
from tandem.translate.policy.select import Target, group_id
from tandem.translate.policy.sets import sets_for

SIDES: Final = (Side.INGRESS, Side.EGRESS)
ObjectKey = tuple[str, str, str]
MadeKey = tuple[Side, Ports, tuple[ObjectKey, ...]]
"""Side, named ports of the pods, policies in their order."""


class Made:
    """The sets of one side, for all Kins with the same policies and named ports."""

    __slots__ = ("groups", "key", "kins", "problems", "read", "sets", "warned")

    def __init__(self, key: MadeKey, drafts: Sequence[Draft], crowd: Crowd) -> None:
        self.key = key
        reader = _Reader(crowd)
        resolver = _Namer(reader)
        side, ports, _ = key
        self.sets: tuple[PolicySet, ...] = sets_for(drafts, side, ports, resolver)
        self.groups: dict[GroupId, PodSelector | NodeSelector] = resolver.named
        """Every group that was named."""
        self.read: tuple[Selection, ...] = tuple(reader.read.values())
        """Acquired: in these, ports were looked for by name."""
        self.problems: tuple[Problem, ...] = resolver.problems
        self.warned: tuple[Problem, ...] = ()
        """Of DNS, which changes with the members of groups."""
        self.kins: set[Kin] = set()
        """Who has them."""

    @property
    def enforced(self) -> PolicySet | None:
        """The set that judges; None: the side is open."""
        return self.sets[0] if self.sets else None


class _Reader:
    """What a Resolver looks up of the pods, and what it looked up."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self.read: dict[GroupId, Selection] = {}

    def select(self, selector: PodSelector) -> Iterable[Target]:
        """One target for each Kin: no more is asked of them than their ports."""
        name = group_id(selector)
        if name not in self.read:
            self.read[name] = self._crowd.acquire(selector)
        return [
            Target(namespace=k.namespace, labels=k.labels, addresses=(), ports=k.ports) for k in self.read[name].kins
        ]

    def addresses(self, selector: PodSelector | NodeSelector) -> tuple[str, ...]:
        """Nobody asks here: groups are filled elsewhere."""
        raise NotImplementedError


class _Namer(Resolver):
    """Names groups, and leaves it to others to fill them."""

    def __init__(self, reader: _Reader) -> None:
        super().__init__(reader)
        self.named: dict[GroupId, PodSelector | NodeSelector] = {}

    def group(self, selector: PodSelector | NodeSelector) -> Group:
        """The group of a selector."""
        name = group_id(selector)
        self.named[name] = selector
        return Group(id=name)
