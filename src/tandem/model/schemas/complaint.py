"""Complaints about fields, with the types of error that the API server has: `path: Invalid value: 7: why`.

Each is one line; what it leads with says the reason that a client gets beside it (`reason_of`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

REASONS: Final = {
    "Required value": "FieldValueRequired",
    "Invalid value": "FieldValueInvalid",
    "Unsupported value": "FieldValueNotSupported",
    "Duplicate value": "FieldValueDuplicate",
    "Forbidden": "FieldValueForbidden",
    "Too many": "FieldValueTooMany",
    "Too long": "FieldValueTooLong",
}


def required(at: str, why: str = "") -> str:
    """A value that must be there."""
    return f"{at}: Required value" + (f": {why}" if why else "")


def invalid(at: str, value: object, why: str) -> str:
    """A value that has not the form or size that it must have."""
    return f"{at}: Invalid value: {shown(value)}: {why}"


def unsupported(at: str, value: object, choices: Iterable[str], why: str = "") -> str:
    """A value that is none of its choices."""
    known = f"supported values: {', '.join(shown(c) for c in choices)}"
    return f"{at}: Unsupported value: {shown(value)}: {known}" + (f" ({why})" if why else "")


def duplicate(at: str, value: object) -> str:
    """A value that stands before in the same list."""
    return f"{at}: Duplicate value: {shown(value)}"


def forbidden(at: str, why: str) -> str:
    """A value that may not be there, with what else is."""
    return f"{at}: Forbidden: {why}"


def too_many(at: str, count: int, most: int) -> str:
    """A list that is too long."""
    return f"{at}: Too many: {count}: must have at most {most} item{'' if most == 1 else 's'}"


def too_long(at: str, most: int) -> str:
    """A text that is too long."""
    return f"{at}: Too long: may not be more than {most} characters"


def reason_of(text: str) -> str:
    """The machine-readable reason of a complaint without its path."""
    found = REASONS.get(text.partition(": ")[0])
    if found is not None:
        return found
    return "FieldValueRequired" if text.endswith("is required") else "FieldValueInvalid"


def shown(value: object) -> str:
    """A value as JSON writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
