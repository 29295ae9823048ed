"""Raw JSON objects -> model. The only reader of raw dicts; strict about types, errors carry the field path.

Unknown fields are refused before, by `model/schema.py`, which knows every field of the APIs; the model knows the
fields that we act on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tandem.model.kind import BUILT_IN
from tandem.model.kinds import BY_KIND, name_of
from tandem.model.meta import Object, RawObject

_TEXTS: Final = frozenset({"labels", "annotations", "matchLabels"})
_TEXTS_OR_SELECTOR: Final = frozenset({"selector", "nodeSelector"})
_NAMES: Final = _TEXTS | _TEXTS_OR_SELECTOR
_SELECTOR: Final = frozenset({"matchLabels", "matchExpressions"})


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


def without_null(raw: RawObject) -> RawObject:
    """Drop null: null and absent are one thing in the Kubernetes API ("null" unsets a field).

    Not so the value of a label, which is the empty string then: a selector that asks for it does not get wider. Of a
    custom resource such a null stays, and is refused, as the API server does by the resource's schema.
    """
    group = str(raw.get("apiVersion") or "").rpartition("/")[0]
    found = _without_null(raw, None if group not in BUILT_IN else "")
    return found if isinstance(found, dict) else {}


def null_texts(value: Any, at: str = "") -> Iterator[str]:
    """Paths of labels and the like whose value is null."""
    if isinstance(value, dict):
        for key, item in value.items():
            where = f"{at}.{key}" if at else str(key)
            if _texts(key, item):
                yield from (f"{where}[{name}]" for name, text in item.items() if text is None)
            else:
                yield from null_texts(item, where)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from null_texts(item, f"{at}[{i}]")


def _without_null(value: Any, text: str | None) -> Any:
    if isinstance(value, dict):
        return {
            k: {name: text if word is None else word for name, word in v.items()}
            if k in _NAMES and _texts(k, v)
            else _without_null(v, text)
            for k, v in value.items()
            if v is not None
        }
    if isinstance(value, list):
        return [_without_null(v, text) for v in value]
    return value


def _texts(key: object, value: Any) -> bool:
    """Whether these are texts by name, as labels are."""
    if not isinstance(value, dict):
        return False
    return key in _TEXTS or (key in _TEXTS_OR_SELECTOR and _SELECTOR.isdisjoint(value))
