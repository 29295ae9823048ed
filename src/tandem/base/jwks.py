"""JSON Web Key Sets (RFC 7517): text -> the same set without what is nobody's business but the issuer's."""

from __future__ import annotations

import json
from typing import Any, Final

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
"""Members of a private key (RFC 7518, 6.2.2 and 6.3.2)."""


class KeySetError(ValueError):
    """What is wrong with a text that should be a key set; never with a part of it."""


def _keys(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        raise KeySetError("it is not JSON") from None
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) and key.get("kty") for key in keys):
        raise KeySetError("it is not a JSON Web Key Set: an object with keys, each with its kty")
    return keys


def is_key_set(text: str) -> bool:
    """True if keys can be read from the text, if only none."""
    try:
        _keys(text)
    except KeySetError:
        return False
    return True


def public_key_set(text: str, *, symmetric: bool) -> str:
    """The set in one spelling, private members left out; raises KeySetError if no key is left.

    `symmetric`: keys that both sign and verify are taken, too. Where everybody can read the set they are nobody's.
    """
    kept = [
        {name: value for name, value in key.items() if name not in _PRIVATE}
        for key in _keys(text)
        if symmetric or key["kty"] != "oct"
    ]
    if not kept:
        raise KeySetError("there is no key in it that may verify a token")
    return json.dumps({"keys": kept}, sort_keys=True, separators=(",", ":"))
