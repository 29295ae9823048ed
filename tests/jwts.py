"""Signed tokens for tests: `Issuer("https://a.example").token(sub="x")`, and the key set that verifies them."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

FOREVER = 4102444800
"""An expiry in the year 2100."""


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(value: Any) -> str:
    return _text(json.dumps(value).encode())


class Issuer:
    """Signs with ES256; `rotate` makes another key."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._number = 0
        self.rotate()

    def rotate(self) -> None:
        self._number += 1
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwks(self) -> str:
        point = self._key.public_key().public_numbers()
        x, y = (_text(n.to_bytes(32, "big")) for n in (point.x, point.y))
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self._kid, "x": x, "y": y}
        return json.dumps({"keys": [key]})

    @property
    def _kid(self) -> str:
        return f"{self.name}-{self._number}"

    def token(self, **claims: Any) -> str:
        """A token with these claims over `iss`, `sub` and `exp`; None leaves one out."""
        body = {"iss": self.name, "sub": "someone", "exp": FOREVER} | claims
        given = {name: value for name, value in body.items() if value is not None}
        signed = f"{_json({'alg': 'ES256', 'kid': self._kid, 'typ': 'JWT'})}.{_json(given)}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
