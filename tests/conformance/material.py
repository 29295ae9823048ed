"""Authorities and certificates of conformance cases, new for each run; by name as base objects and cases write them.

`${ROOTS}` signs what backends show, `${STRANGER}` nothing; `${CLIENTS}` and `${OTHERS}` sign what clients show. The
certificate of the server, and those that clients show, are pairs of certificate and key.
"""

from __future__ import annotations

import base64
import json
from functools import cache

from issuing import authority

NAMES = ("abc.example.com", "other.example.com", "spiffe://abc.example.com/test-identity")
"""Of the server."""


@cache
def pair(name: str) -> tuple[str, str]:
    """What `server`, the clients `first` and `second`, and the gateway (`edge`) show, with the key; in PEM."""
    signed = {"server": ("roots", NAMES), "first": ("clients", ("first",)), "second": ("others", ("second",))}
    by, names = signed.get(name, ("clients", (name,)))
    return authority(by).issue(*names)


def filled(text: str) -> str:
    """A YAML text with all of it put in: bundles within double quotes, pairs as data of Secrets."""
    for name in ("roots", "stranger", "clients", "others"):
        text = text.replace(f"${{{name.upper()}}}", json.dumps(authority(name).pem)[1:-1])
    for name in ("server", "edge"):
        for part, content in zip(("CERTIFICATE", "KEY"), pair(name), strict=True):
            encoded = base64.b64encode(content.encode()).decode()
            text = text.replace(f"${{{name.upper()}_{part}}}", encoded)
    return text
