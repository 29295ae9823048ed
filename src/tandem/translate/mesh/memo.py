"""What each object of one kind came to, kept from one translation to the next with what was looked up for it.

As `model/kept.py` for the whole, and below it: what is looked up here is noted for the whole as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from tandem.base.problems import ObjectKey
from tandem.base.table import Table
from tandem.ir.traffic import TrafficPolicy
from tandem.model.kept import Looked, Noted
from tandem.model.meta import Object
from tandem.model.world import Key
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.serviceentry import NO_ENTRIES, Entries

T = TypeVar("T", bound=Object)
R = TypeVar("R")


class _Result(msgspec.Struct, Generic[T, R], frozen=True, kw_only=True):
    """What a source came to, and all that it came from."""

    source: T
    entries: Entries
    world: Noted
    policies: Looked[TrafficPolicy]
    value: R


class Memo(Generic[T, R]):
    """`read(source, context)` for one object after the other; `begin` each translation with its context.

    The context's World must be a `Noted` one. Results are those of `read`.
    """

    def __init__(self, read: Callable[[T, Context], R]) -> None:
        self._read = read
        self._entries: Entries = NO_ENTRIES
        self._policies: Table[Key, TrafficPolicy] = Table()
        self._given: object = None
        self._before: dict[ObjectKey, _Result[T, R]] = {}
        self._now: dict[ObjectKey, _Result[T, R]] = {}

    def begin(self, context: Context) -> Context:
        """The context, in which whatever equals what it was is that very object."""
        self._before, self._now = self._now, {}
        if self._given is not context.policies:
            self._given, self._policies = context.policies, self._policies.become(context.policies)
        if self._entries != context.entries:
            self._entries = context.entries
        return msgspec.structs.replace(context, entries=self._entries, policies=self._policies)

    def read(self, source: T, context: Context) -> R:
        """What the object comes to."""
        whole = context.world
        assert isinstance(whole, Noted)  # noqa: S101 - see the class
        key = source.kind, *source.key
        known = self._before.get(key)
        if (
            known is None
            or known.source is not source
            or known.entries is not context.entries
            or not known.world.holds(whole.noted)
            or not known.policies.holds(context.policies)
        ):
            world, policies = Noted(whole.noted), Looked(lambda found: found, context.policies)
            value = self._read(source, msgspec.structs.replace(context, world=world, policies=policies))
            known = _Result(source=source, entries=context.entries, world=world, policies=policies, value=value)
        self._now[key] = known
        whole.include(known.world)
        return known.value
