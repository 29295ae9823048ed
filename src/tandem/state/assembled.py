"""A JSON tree of which one list is shared with other trees that differ by a few texts alone. Pure.

A node has a listener for each pod, with a filter chain for whatever it can dial: thousands of chains that are the same
but for who the pod is. They are made once, with places in them, and each pod's tree says what is to be read there. What
is shared may be such a tree itself, without texts of its own: hosts of a gateway, which share routes with what they
were before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

_MARK: Final = "\x01"
"""Begins and ends a place; no manifest has it in a name."""


def place(letter: str) -> str:
    """What stands for a text that differs; `letter` tells it from others."""
    return f"{_MARK}{letter}{_MARK}"


def filled(tree: Any, texts: tuple[tuple[str, str], ...]) -> Any:
    """A tree with texts in their places."""
    if isinstance(tree, str):
        for place_, text in texts if _MARK in tree else ():
            tree = tree.replace(place_, text)
        return tree
    if isinstance(tree, Mapping):
        return {key: filled(value, texts) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [filled(value, texts) for value in tree]
    return tree


class Assembled(Mapping[str, Any]):
    """`head`, in which `field` is empty, and there what is `shared`, with `texts` in its places.

    `beside`: fields that are shared likewise, each whole and without places.
    """

    __slots__ = ("beside", "field", "head", "shared", "texts")

    def __init__(
        self,
        head: Mapping[str, Any],
        field: str,
        shared: tuple[Mapping[str, Any], ...],
        texts: tuple[tuple[str, str], ...] = (),
        beside: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.head, self.field, self.shared, self.texts = head, field, shared, texts
        self.beside: Mapping[str, Mapping[str, Any]] = beside or {}

    def __getitem__(self, key: str) -> Any:
        if key == self.field:
            return filled(self.shared, self.texts)
        return self.beside[key] if key in self.beside else self.head[key]

    def __iter__(self) -> Iterator[str]:
        return chain(self.head, self.beside)

    def __len__(self) -> int:
        return len(self.head) + len(self.beside)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Assembled) and (self.field, self.texts) == (other.field, other.texts):
            return (self.head, self.shared, self.beside) == (other.head, other.shared, other.beside)
        return isinstance(other, Mapping) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]  # as a dictionary
