"""JWTProvider of consul.hashicorp.com, and claims that intentions ask for, beyond the form of single fields. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from tandem.base.jwks import is_key_set
from tandem.model.schemas.rules_kubernetes import Rule


def _claim(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw.get("path"):
        yield f"{at}.path: at least one name is required"


def _keys(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _exactly_one(raw, at, ("local", "remote"))


def _local_keys(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _exactly_one(raw, at, ("jwks", "filename"))
    if raw.get("jwks") and not is_key_set(base64.b64decode(raw["jwks"]).decode(errors="replace")):
        yield f"{at}.jwks: is not the base64 of a JSON Web Key Set (RFC 7517): an object with keys"


def _remote_keys(raw: dict[str, Any], at: str) -> Iterator[str]:
    url = urlsplit(raw["uri"])
    if url.scheme not in {"http", "https"} or not url.hostname:
        yield f"{at}.uri: {raw['uri']!r} is not a URL of http or https"


def _location(raw: dict[str, Any], at: str) -> Iterator[str]:
    yield from _exactly_one(raw, at, ("header", "queryParam", "cookie"))


def _exactly_one(raw: dict[str, Any], at: str, names: tuple[str, ...]) -> Iterator[str]:
    if sum(bool(raw.get(name)) for name in names) != 1:
        yield f"{at}: needs one of {', '.join(names)}, and not several"


RULES: Final[dict[str, Rule]] = {
    "CiClaim": _claim,
    "CjKeys": _keys,
    "CjLocal": _local_keys,
    "CjRemote": _remote_keys,
    "CjLocation": _location,
}
