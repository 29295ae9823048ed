"""Problems by the object that they are told, gathered from units of translation that change one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from tandem.base.problems import ObjectKey, Problem, by_object
from tandem.base.table import Table

Unit = tuple[int | str, ...]
"""Who tells: what comes first of it orders the problems of one object."""


class Gathered:
    """`told` has, for each object, what all units say of it, in the order of units."""

    def __init__(self) -> None:
        self.told: Table[ObjectKey, tuple[Problem, ...]] = Table()
        self._of: dict[ObjectKey, dict[Unit, tuple[Problem, ...]]] = {}
        self._units: dict[Unit, tuple[Problem, ...]] = {}
        self._stale: set[ObjectKey] = set()

    def tell(self, unit: Unit, problems: Iterable[Problem]) -> None:
        """These are now all of this unit's."""
        now, before = tuple(problems), self._units.get(unit, ())
        if now == before:
            return
        for key in by_object(before):
            del self._of[key][unit]
            self._stale.add(key)
        for key, own in by_object(now).items():
            self._of.setdefault(key, {})[unit] = own
            self._stale.add(key)
        if now:
            self._units[unit] = now
        else:
            self._units.pop(unit, None)

    def settle(self) -> Mapping[ObjectKey, tuple[Problem, ...]]:
        """What is told now."""
        put: dict[ObjectKey, tuple[Problem, ...]] = {}
        for key in self._stale:
            units = self._of[key]
            if units:
                # A route is read for its Services and for its gateways: the same mistake is told once.
                put[key] = tuple(dict.fromkeys(problem for unit in sorted(units) for problem in units[unit]))
            else:
                del self._of[key]
        self.told = self.told.changed(put, self._stale - put.keys())
        self._stale = set()
        return self.told


class Warnings:
    """What is told of policies by many: the same thing once, sorted; handed on as one unit for each object."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._units: dict[tuple[object, ...], tuple[Problem, ...]] = {}
        self._counts: dict[ObjectKey, Counter[Problem]] = {}
        self._stale: set[ObjectKey] = set()

    def tell(self, unit: tuple[object, ...], problems: tuple[Problem, ...]) -> None:
        """These are now all of this unit's."""
        before = self._units.pop(unit, ())
        if problems:
            self._units[unit] = problems
        if problems == before:
            return
        for key, own in by_object(problems).items():
            self._counts.setdefault(key, Counter()).update(own)
            self._stale.add(key)
        for key, own in by_object(before).items():
            self._counts[key].subtract(own)
            self._stale.add(key)

    def settle(self) -> None:
        """Hand on what changed."""
        for key in self._stale:
            left = +self._counts[key]
            if left:
                self._counts[key] = left
            else:
                del self._counts[key]
            self._gathered.tell((0, *key), sorted(left, key=lambda p: (p.at, p.code, p.text)))
        self._stale = set()
