"""A parameter of a query and its value -> a regular expression for `:path`, where RBAC has no matcher of its own. Pure.

Servers differ in what they make of a query: which of two equal names counts, whether `;` parts parameters, and all of
them take escapes away. What closes is to hold in every reading, what lets through in each of them.
"""

from __future__ import annotations

import re
from typing import Final

from tandem.ir.match import Exact, Regex

_PLAIN: Final = "[^&;]*"


def query_like(name: str, value: Exact | Regex, *, wide: bool) -> str:
    """`wide`: some reading of the query has the parameter with that value; else every one has it."""
    if wide:
        found = f"(?:{value.value})|[^&;]*[%+][^&;]*" if isinstance(value, Regex) else _any_spelling(value.value)
        return rf"[^?]*\?(?:.*[&;])?{_any_spelling(name)}=(?:{found})(?:[&;].*)?"
    other = f"{_another(name)}(?:={_PLAIN})?"
    found = value.value if isinstance(value, Regex) else re.escape(value.value)
    return rf"[^?]*\?(?:{other}&)*{re.escape(name)}=(?:{found})(?:&{other})*"


def _any_spelling(text: str) -> str:
    """The text with whatever of its bytes escaped."""
    return "".join(map(_spelling, text))


def _spelling(letter: str) -> str:
    escaped = "".join(f"%{_hex(f'{byte:02x}')}" for byte in letter.encode())
    plain = r" |\+" if letter == " " else re.escape(letter)
    return f"(?:{plain}|{escaped})"


def _hex(digits: str) -> str:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits)


def _another(name: str) -> str:
    """A name that nobody can take for this one: without escapes, and shorter, longer or of other letters."""
    rest = "[^&;=%+]+"
    for letter in reversed(name):
        kept = re.escape(letter)
        rest = f"(?:[^{kept}&;=%+][^&;=%+]*|{kept}{rest})?"
    return rest
