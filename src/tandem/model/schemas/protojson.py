"""JSON of a protobuf message as its readers take it -> the one form of it that a field table has. Pure.

The mapping of protobuf to JSON lets whoever writes choose: a field by its lowerCamelCase name or by that of the .proto
file, a number as a number or in quotes (protobuf.dev, "ProtoJSON Format"). Of what is not in that form nothing changes.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tandem.model.schemas import tables

_NUMBERS: Final = frozenset({"int", "uint", "port", "port0", "weight", "percent"})
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})", re.ASCII)


def from_protojson(value: Any, table: str) -> Any:
    """`value` as an object of type `table`, with the names and numbers that the table has."""
    if not isinstance(value, dict):
        return value
    known = tables.fields(table)
    found: dict[Any, Any] = {}
    for written, item in value.items():
        name = written if written in known else _camel(written)
        # Both names of one field are one too many: the second stays, and is told as unknown.
        key = name if name in known and (name == written or name not in value) else written
        found[key] = _field(item, known[key].type) if key in known else item
    return found


def whole_number(value: Any) -> Any:
    """A number that is written in quotes as the number."""
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value


def _field(value: Any, form: tables.Type) -> Any:
    if form.shape == "list" and isinstance(value, list):
        return [_one(item, form.base) for item in value]
    if form.shape == "map" and isinstance(value, dict):
        return {key: _one(item, form.base) for key, item in value.items()}
    return _one(value, form.base) if form.shape == "one" else value


def _one(value: Any, base: str) -> Any:
    if tables.is_table(base):
        return from_protojson(value, base)
    return whole_number(value) if base in _NUMBERS else value


def _camel(name: Any) -> Any:
    """The name that JSON has for one of a .proto file."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name) if isinstance(name, str) else name
