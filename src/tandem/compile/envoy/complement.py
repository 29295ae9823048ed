"""All words but some -> a regular expression of RE2, which has no way to say "not". Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=64)
def all_but(words: tuple[str, ...], prefixes: tuple[str, ...] = ()) -> str:
    """Matches, as a whole, every word that is none of these and begins with none of the prefixes."""
    if "" in prefixes:
        return "[^\\s\\S]"
    first: dict[str, tuple[list[str], list[str]]] = {}
    for whole, texts in ((True, words), (False, prefixes)):
        for text in texts:
            if text:
                rest = first.setdefault(text[0], ([], []))
                rest[0 if whole else 1].append(text[1:])
    ways = ["", *_others(first)] if "" not in words else _others(first)
    deeper = [re.escape(letter) + all_but(tuple(own), tuple(begun)) for letter, (own, begun) in first.items()]
    return f"(?:{'|'.join([*ways, *deeper])})"


def _others(letters: Iterable[str]) -> list[str]:
    """A word with another first letter."""
    found = "".join(re.escape(letter) for letter in letters)
    return [f"[^{found}][\\s\\S]*" if found else "[\\s\\S]+"]
