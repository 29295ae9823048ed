"""Keys of Curve25519 (RFC 7748): a private one per node, made here, kept in one file and never sent anywhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tandem.base.files import replace_file
from tandem.base.secret import Secret

LENGTH: Final = 32


def load_or_make(path: Path) -> Secret:
    """The key in the file, which is for its owner alone; a file that is missing or damaged is made anew."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raw = b""
    if len(raw) == LENGTH:
        return Secret(raw)
    made = X25519PrivateKey.generate().private_bytes_raw()
    replace_file(path, made)
    return Secret(made)


def public_of(key: Secret) -> str:
    """The public key of a private one."""
    return to_text(X25519PrivateKey.from_private_bytes(key.reveal()).public_key().public_bytes_raw())


def to_text(raw: bytes) -> str:
    """A key as `wg` shows it."""
    return base64.b64encode(raw).decode()


def to_raw(text: str) -> bytes:
    """The 32 bytes of a key; raises ValueError."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) != LENGTH:
        raise ValueError(f"a key has {LENGTH} bytes, this one {len(raw)}")
    return raw
