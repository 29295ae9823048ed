"""A pure function of a World that is not run again while all that it looked up is as it was. The result is its own.

What it looks up is noted by the World that it is given, so nothing is declared by hand that could be forgotten. Whether
it is as it was costs what changed in the World, and not what was looked up.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Generic, TypeVar

from tandem.base.table import changes
from tandem.model.meta import Object
from tandem.model.world import Key, World

R = TypeVar("R")
V = TypeVar("V")
T = TypeVar("T", bound=Object)


class Kept(Generic[R]):
    """`function(world, …)`: run when an argument or something that it found in the World is another object."""

    def __init__(self, function: Callable[..., R]) -> None:
        self._function = function
        self._before: tuple[tuple[Any, ...], Noted, R] | None = None

    def __call__(self, world: World, *arguments: Any) -> R:
        """The result, the very same object for as long as nothing changed."""
        before = self._before
        if before is not None and _same(before[0], arguments) and before[1].holds(world):
            return before[2]
        noted = Noted(world)
        result = self._function(noted, *arguments)
        self._before = arguments, noted, result
        return result

    @property
    def looked_up(self) -> Noted:
        """What the result came from."""
        assert self._before is not None  # noqa: S101 - for whoever has asked
        return self._before[1]


class KeptEach(Generic[R]):
    """The same for one thing after the other, each with a name; `begin` each round of them.

    The World is the Noted one of whoever asks: what is looked up here is noted for the whole as well. Of another World
    nothing is kept. What was not asked for in a round is forgotten.
    """

    def __init__(self, function: Callable[..., R]) -> None:
        self._function = function
        self._before: dict[object, Kept[R]] = {}
        self._now: dict[object, Kept[R]] = {}

    def begin(self) -> None:
        """Another round."""
        self._before, self._now = self._now, {}

    def __call__(self, name: object, world: World, *arguments: Any) -> R:
        """The result for what has this name."""
        if not isinstance(world, Noted):
            return self._function(world, *arguments)
        kept = self._now[name] = self._before.get(name) or Kept(self._function)
        result = kept(world.noted, *arguments)
        world.include(kept.looked_up)
        return result


def _same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


class Noted(World):
    """The same World, which notes what is looked up: all of a kind, or single entries."""

    def __init__(self, world: World) -> None:
        super().__init__(synced=world.synced)
        self.noted = world
        """The World itself."""
        self._looked: dict[object, Looked[Any]] = {}

    def holds(self, now: World) -> bool:
        """True if whatever was looked up is the same object in that World, from which on it is compared then."""
        return all(looked.holds(now) for looked in self._looked.values())

    def include(self, other: Noted) -> None:
        """What was looked up in another one of the same World was looked up here."""
        for name, looked in other._looked.items():
            self._mapping(name, looked.find).include(looked)

    def all(self, cls: type[T]) -> Mapping[Key, T]:
        """Every object of a kind; entries that are looked up one by one are noted one by one."""
        return self._mapping(cls, lambda world: world.all(cls))

    def _mapping(self, name: object, find: Callable[[World], Mapping[Any, V]]) -> Looked[V]:
        looked = self._looked.get(name)
        if looked is None:
            looked = self._looked[name] = Looked(find, self.noted)
        return looked

    @property
    def population(self) -> Any:
        """Not noted: `namespace_labels` is what is made of it."""
        raise NotImplementedError

    @property
    def namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        """As `World.namespace_labels`."""
        return self._mapping("namespace_labels", lambda world: world.namespace_labels)

    @property
    def slices_by_service(self) -> Mapping[Key, Any]:
        """As `World.slices_by_service`."""
        return self._mapping("slices_by_service", lambda world: world.slices_by_service)

    @property
    def pods_by_uid(self) -> Mapping[str, Any]:
        """As `World.pods_by_uid`."""
        return self._mapping("pods_by_uid", lambda world: world.pods_by_uid)

    @property
    def asking(self) -> Mapping[Key, Any]:
        """As `World.asking`."""
        return self._mapping("asking", lambda world: world.asking)

    @property
    def claims(self) -> Mapping[str, Any]:
        """As `World.claims`."""
        return self._mapping("claims", lambda world: world.claims)


class Looked(Mapping[Any, V]):
    """A mapping that `find` gives of something. To iterate over it, or to ask how long it is, notes all of it."""

    def __init__(self, find: Callable[[Any], Mapping[Any, V]], place: Any) -> None:
        self.find = find
        self._whole = find(place)
        self._every = False
        self._keys: set[Any] = set()

    def include(self, other: Looked[V]) -> None:
        """What was asked of another one of the same mapping was asked of this."""
        self._every |= other._every
        self._keys |= other._keys

    def holds(self, now: Any) -> bool:
        """True if what was asked for is the same in what `find` gives of `now`."""
        whole = self.find(now)
        if whole is self._whole:
            return True
        if self._every or not self._keys.isdisjoint(changes(self._whole, whole)):
            return False
        self._whole = whole
        return True

    def _all(self) -> Mapping[Any, V]:
        self._every = True
        return self._whole

    def _one(self, key: Any) -> V | None:
        self._keys.add(key)
        return self._whole.get(key)

    def __getitem__(self, key: Any) -> V:
        value = self._one(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self._one(key) is not None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def keys(self) -> KeysView[Any]:
        """The keys."""
        return self._all().keys()

    def values(self) -> ValuesView[V]:
        """The values."""
        return self._all().values()

    def items(self) -> ItemsView[Any, V]:
        """Keys and values."""
        return self._all().items()
