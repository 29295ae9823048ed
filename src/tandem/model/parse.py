"""Raw JSON objects -> model. The only reader of raw dicts; strict about types, errors carry the field path.

Unknown fields are refused before, by `model/schema.py`, which knows every field of the APIs; the model knows the
fields that we act on.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tandem.model.kinds import BY_KIND, name_of
from tandem.model.meta import Object, RawObject


class ParseError(ValueError):
    """The object does not have the form of its kind; the message starts with the field path."""


def parse(raw: RawObject) -> Object:
    """The model object behind a raw one; raises ParseError with the field path. Its `kind` is our name of the kind."""
    kind = BY_KIND.get(name_of(raw))
    if kind is None:
        raise ParseError(f"kind: unknown kind {raw.get('kind')!r}")
    try:
        return msgspec.convert({**without_null(raw), "kind": kind.name}, type=kind.cls, strict=True)
    except msgspec.ValidationError as err:
        text, _, path = str(err).partition(" - at ")
        where = re.sub(r"^`?\$\.?|`$", "", path) or kind.kind
        raise ParseError(f"{where}: {text}") from err


def without_null(value: Any) -> Any:
    """Drop null: null and absent are one thing in the Kubernetes API ("null" unsets a field)."""
    if isinstance(value, dict):
        return {k: without_null(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_null(v) for v in value]
    return value
