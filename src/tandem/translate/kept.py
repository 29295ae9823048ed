"""A pure function of a World that is not run again while all that it looked up is as it was. The result is its own.

What it looks up is noted by the World that it is given, so nothing is declared by hand that could be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Generic, TypeVar

from tandem.model.meta import Object
from tandem.model.world import Key, World

R = TypeVar("R")
V = TypeVar("V")
T = TypeVar("T", bound=Object)
Find = Callable[[World], Any]
Found = list[tuple[Find, Any]]
"""How something was looked up, and the very object that was found."""


class Kept(Generic[R]):
    """`function(world, …)`: run when an argument or something that it found in the World is another object."""

    def __init__(self, function: Callable[..., R]) -> None:
        self._function = function
        self._before: tuple[tuple[Any, ...], Found, R] | None = None

    def __call__(self, world: World, *arguments: Any) -> R:
        """The result, the very same object for as long as nothing changed."""
        before = self._before
        if before is not None and _same(before[0], arguments) and all(find(world) is was for find, was in before[1]):
            return before[2]
        noted = Noted(world)
        result = self._function(noted, *arguments)
        self._before = arguments, noted.found, result
        return result


def _same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))


class Noted(World):
    """The same World, which notes what is looked up: all of a kind, or single entries."""

    def __init__(self, world: World) -> None:
        super().__init__(synced=world.synced)
        self._world = world
        self.found: Found = []

    def all(self, cls: type[T]) -> Mapping[Key, T]:
        """Every object of a kind; entries that are looked up one by one are noted one by one."""
        return self._mapping(lambda world: world.all(cls))

    def _mapping(self, find: Callable[[World], Mapping[Any, V]]) -> Mapping[Any, V]:
        return _Noted(find, self._world, self.found)

    @property
    def population(self) -> Any:
        """Not noted: `namespace_labels` is what is made of it."""
        raise NotImplementedError

    @property
    def namespace_labels(self) -> Mapping[str, Mapping[str, str]]:
        """As `World.namespace_labels`."""
        return self._mapping(lambda world: world.namespace_labels)

    @property
    def slices_by_service(self) -> Mapping[Key, Any]:
        """As `World.slices_by_service`."""
        return self._mapping(lambda world: world.slices_by_service)

    @property
    def pods_by_uid(self) -> Mapping[str, Any]:
        """As `World.pods_by_uid`."""
        return self._mapping(lambda world: world.pods_by_uid)

    @property
    def pods_by_address(self) -> Mapping[str, Any]:
        """As `World.pods_by_address`."""
        return self._mapping(lambda world: world.pods_by_address)


class _Noted(Mapping[Any, V]):
    """A mapping of a World. To iterate over it, or to ask how long it is, notes all of it."""

    def __init__(self, find: Callable[[World], Mapping[Any, V]], world: World, found: Found) -> None:
        self._find, self._found = find, found
        self._whole = find(world)

    def _all(self) -> Mapping[Any, V]:
        self._found.append((self._find, self._whole))
        return self._whole

    def _one(self, key: Any) -> V | None:
        find, value = self._find, self._whole.get(key)
        self._found.append((lambda world: find(world).get(key), value))
        return value

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
