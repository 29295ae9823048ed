"""Which pods of a StatefulSet to make and to remove now: numbers in, numbers out.

Follows Kubernetes' StatefulSet controller: pods come in the order of their ordinals and go in the reverse one, each
when those before it are well; with `Parallel` without waiting. An update replaces one pod at a time, the last first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tandem.model.stateful import StatefulSetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The pod that has an ordinal."""

    updated: bool
    well: bool
    """Ready, and for as long as `minReadySeconds` says."""
    ended: bool = False
    """It ran to its end, so that another has to take the ordinal."""
    leaving: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Make pods with these ordinals, and remove those with these."""

    create: tuple[int, ...] = ()
    delete: tuple[int, ...] = ()


def step(spec: StatefulSetSpec, seats: Mapping[int, Seat]) -> Step:
    """What to do now."""
    first = spec.ordinals.start
    wanted = range(first, first + spec.replicas)
    create = [n for n in wanted if n not in seats]
    ended = [n for n in wanted if n in seats and seats[n].ended and not seats[n].leaving]
    if spec.ordered:
        waiting = next((n for n in wanted if n not in seats or not _is_well(seats[n])), None)
        if waiting is not None:
            return Step(create=tuple(n for n in create if n == waiting), delete=tuple(n for n in ended if n == waiting))
    surplus = sorted((n for n in seats if n not in wanted), reverse=True)
    remove = _surplus(spec, seats, surplus)
    if create or ended or surplus:
        return Step(create=tuple(create), delete=(*ended, *remove))
    return Step(delete=_outdated(spec, seats))


def _is_well(seat: Seat) -> bool:
    return seat.well and not seat.leaving and not seat.ended


def _surplus(spec: StatefulSetSpec, seats: Mapping[int, Seat], surplus: list[int]) -> tuple[int, ...]:
    """The last goes first, and the next when it is gone."""
    staying = [n for n in surplus if not seats[n].leaving]
    if not spec.ordered:
        return tuple(staying)
    return tuple(staying[:1]) if len(staying) == len(surplus) else ()


def _outdated(spec: StatefulSetSpec, seats: Mapping[int, Seat]) -> tuple[int, ...]:
    if spec.update_strategy.type == "OnDelete":
        return ()
    for number in sorted(seats, reverse=True):
        if not seats[number].updated and not seats[number].leaving:
            return (number,)
        if not _is_well(seats[number]):
            return ()
    return ()
