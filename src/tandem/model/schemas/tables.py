"""The field tables (`*.json` here) as values. In: nothing but the package's own data; out: `fields(type name)`.

Grammar of a field: `T`, `[T]` (list), `{T}` (map of text to T); then `@key` (merge key of a list in a strategic merge
patch; `@` alone merges a list of scalars as a set), then `!` (required). T is a scalar of `syntax.py`, `enum:a|b`,
`intenum:1|2`, `any`, `obj`, or the name of another table. Files are read at the first use, fields parsed at theirs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

FILES: Final = (
    "kubernetes.json",
    "istio.json",
    "gateway.json",
    "consul.json",
    "linkerd.json",
    "tandem.json",
    "ipam.json",
    "policy.json",
)


class Type(msgspec.Struct, frozen=True, kw_only=True):
    """The form of a value. `shape` says how often `base` occurs; `choices` is set for an enum."""

    shape: Literal["one", "list", "map"] = "one"
    base: str
    choices: tuple[str, ...] = ()


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a table; `merge_key` None replaces the list as a whole."""

    type: Type
    required: bool = False
    merge_key: str | None = None


@cache
def _tables() -> dict[str, dict[str, str]]:
    here = Path(__file__).parent
    tables: dict[str, dict[str, str]] = {}
    for name in FILES:
        tables.update(msgspec.json.decode((here / name).read_bytes(), type=dict[str, dict[str, str]]))
    return tables


def is_table(name: str) -> bool:
    """True if a base names another table and not a scalar."""
    return name in _tables()


@cache
def fields(name: str) -> dict[str, Field]:
    """The fields of one type, in the order of the table; raises KeyError if there is no such table."""
    return {field: _parse(text) for field, text in _tables()[name].items()}


def names() -> tuple[str, ...]:
    """Every table, sorted."""
    return tuple(sorted(_tables()))


def _parse(text: str) -> Field:
    required = text.endswith("!")
    text = text.removesuffix("!")
    text, at, key = text.partition("@")
    shape: Literal["one", "list", "map"] = "one"
    if text.startswith("["):
        shape = "list"
    elif text.startswith("{"):
        shape = "map"
    base = text if shape == "one" else text[1:-1]
    kind, _, choices = base.partition(":")
    return Field(
        type=Type(shape=shape, base=kind, choices=tuple(choices.split("|")) if choices else ()),
        required=required,
        merge_key=key if at else None,
    )
