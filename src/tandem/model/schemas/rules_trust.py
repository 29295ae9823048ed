"""TrustSource of tandem.io beyond the form of single fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_kubernetes import Rule

LONGEST_PATH: Final = 107
"""Bytes of the path of a unix socket (unix(7))."""
# SPIFFE-ID, section 2.1: the letters of a trust domain's name, and its length.
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}")


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    domains = raw["trustDomains"]
    if not domains:
        yield f"{at}.trustDomains: at least one is required"
    for i, domain in enumerate(domains):
        where = f"{at}.trustDomains[{i}]"
        if not _TRUST_DOMAIN.fullmatch(domain):
            yield f"{where}: {domain!r} is no trust domain, such as partner.example (a-z, 0-9, '.', '-', '_')"
        elif (first := domains.index(domain)) < i:
            yield f"{where}: {domain} is trustDomains[{first}] already"
    if bool(raw.get("spire")) is bool(raw.get("roots")):
        yield f"{at}: one of spire and roots is required"


def _spire(raw: dict[str, Any], at: str) -> Iterator[str]:
    path = raw["socket"]
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        yield f"{at}.socket: {path!r} is not the absolute path of a socket"
    elif len(path.encode()) > LONGEST_PATH:
        yield f"{at}.socket: longer than {LONGEST_PATH} bytes, which no path of a socket can be"


RULES: Final[dict[str, Rule]] = {"TrustSourceSpec": _spec, "TrustSourceSpire": _spire}
