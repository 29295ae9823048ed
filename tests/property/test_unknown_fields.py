"""No field passes in silence: one that no table has is told wherever it stands, and each that a table has is known.

Of every kind that there is, at every place that its tables have.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import msgspec
import pytest

from tandem.model.closing import CLOSING, read_policy
from tandem.model.kind import BUILT_IN, Kind
from tandem.model.kinds import KINDS
from tandem.model.schema import validate
from tandem.model.schemas import tables
from tandem.model.unreadable import not_understood

STRANGE: Final = "noSuchField"
VALUES: Final[tuple[Any, ...]] = (1, "x", None, True, [1], [{}], {"x": 1})
RAW: Final = {
    ("ManagedFieldsEntry", "fieldsV1"): "who wrote what, which nobody here asks",
    ("CdExtension", "arguments"): "those of an extension, and each extension is refused",
}
"""Fields whose inside no table describes."""
ELSEWHERE: Final = {
    "GatewayClass.spec.description": "is for people",
    "ServiceDefaults.spec.mode": "is refused by the kind's rule",
}
"""Fields that models do not have."""
CUSTOM: Final = [kind for kind in KINDS if kind.group not in BUILT_IN]
Step = tuple[str, str]
"""A field, and its shape."""


def places(table: str, above: frozenset[str] = frozenset()) -> Iterator[tuple[Step, ...]]:
    """The way to every object within one of a table, itself first; of what holds itself one turn."""
    yield ()
    for name, field in tables.fields(table).items():
        base = field.type.base
        if tables.is_table(base) and base not in above:
            yield from (((name, field.type.shape), *way) for way in places(base, above | {table}))


def holding(way: tuple[Step, ...], value: Any) -> tuple[dict[str, Any], str]:
    """An object with nothing but a strange field at the end of the way, and the path of that."""
    if not way:
        return {STRANGE: value}, STRANGE
    (name, shape), *rest = way
    inner, path = holding(tuple(rest), value)
    made: Any = {"one": inner, "list": [inner], "map": {"x": inner}}[shape]
    return {name: made}, f"{name}{ {'one': '', 'list': '[0]', 'map': '[x]'}[shape] }.{path}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_field_that_no_table_has_is_told_wherever_it_stands(kind: Kind) -> None:
    """By the API server, and of custom resources, which another server has let in, by control as well."""
    head = {"apiVersion": kind.api_version, "kind": kind.kind}
    for way, value in product(places(kind.name), VALUES):
        found, path = holding(way, value)
        raw = {**head, **found}
        assert any(line.startswith(f"{path}: unknown field") for line in validate(raw)), path
        if kind.group not in BUILT_IN and way and way[0][0] == "spec":
            assert any(line.startswith(f"{path}: unknown field") for line in not_understood(raw)), path


@pytest.mark.parametrize("kind", [kind for kind in CUSTOM if kind.name in CLOSING], ids=lambda kind: kind.name)
def test_what_judges_is_closed_by_a_field_that_nobody_knows(kind: Kind) -> None:
    """Not left out, as others are: its absence would let in whom it keeps out."""
    meta = {"name": "x", "namespace": "default", "uid": "u"}
    found = read_policy({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": {STRANGE: 1}})
    assert any(line.startswith(f"spec.{STRANGE}: unknown field") for line in found.metadata.unreadable)


def test_of_no_other_field_is_the_inside_unknown() -> None:
    seen: set[str] = set()

    def reached(table: str) -> Iterator[tuple[str, str]]:
        for name, field in tables.fields(table).items():
            if field.type.base in {"obj", "any"}:
                yield table, name
            if tables.is_table(field.type.base) and field.type.base not in seen:
                seen.add(field.type.base)
                yield from reached(field.type.base)

    assert {found for kind in KINDS for found in reached(kind.name)} == RAW.keys()


@pytest.mark.parametrize("kind", CUSTOM, ids=lambda kind: kind.name)
def test_every_field_of_a_table_is_one_of_the_model(kind: Kind) -> None:
    """One that is not would be dropped without a word when the object is read."""
    assert [at for at in _lost(kind.name, msgspec.inspect.type_info(kind.cls), kind.name) if at not in ELSEWHERE] == []


def _lost(
    table: str, model: msgspec.inspect.Type, at: str, above: frozenset[tuple[str, type]] = frozenset()
) -> Iterator[str]:
    for struct in _structs(model):
        if (table, struct.cls) in above:
            continue
        known = {field.encode_name: field.type for field in struct.fields}
        for name, field in tables.fields(table).items():
            if at == table and name in {"metadata", "status"}:
                continue
            if name not in known:
                yield f"{at}.{name}"
            elif tables.is_table(field.type.base):
                within = above | {(table, struct.cls)}
                yield from _lost(field.type.base, known[name], f"{at}.{name}", within)


def _structs(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.StructType]:
    """The models that a value may be of; none where it is kept as it was written."""
    match info:
        case msgspec.inspect.StructType():
            yield info
        case msgspec.inspect.UnionType(types=types):
            for one in types:
                yield from _structs(one)
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.DictType(value_type=item):
            yield from _structs(item)
