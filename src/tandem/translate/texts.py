"""Fields of Secrets -> text, and text -> the certificates in it. Pure."""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def decoded(data: str) -> str:
    """What a Secret has in base64; empty where it is none, or no text."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:  # binascii.Error and UnicodeDecodeError are such
        return ""


@lru_cache(maxsize=256)
def certificates_in(text: str) -> tuple[str, ...]:
    """Each in PEM, without what stands around them; none where one of them cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return ()
    return tuple(one.public_bytes(Encoding.PEM).decode() for one in found)
