"""The call by which an agent asks control for the passwords of its sessions, as JSON. Nothing else has them."""

from __future__ import annotations

import base64
import re
from typing import Final

import msgspec

from tandem.base.secret import Secret

PASSWORDS: Final = "/tandem.v1.Peers/Passwords"
_FITS: Final = re.compile(rb"[ !#-~]{1,80}")


class Passwords(msgspec.Struct, frozen=True, kw_only=True):
    """By the address of the peer, in base64."""

    passwords: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Passwords({', '.join(sorted(self.passwords))})"


def encode(passwords: dict[str, str]) -> bytes:
    """Control's answer; the values are base64."""
    return msgspec.json.encode({"passwords": passwords})


def decode(data: bytes) -> dict[str, Secret]:
    """What an agent may use: a password that TCP MD5 or BIRD's file cannot carry, or that is none, is left out.

    Raises ValueError for an answer that is none.
    """
    found = msgspec.json.decode(data, type=Passwords).passwords
    raw = {address: _raw(text).removesuffix(b"\n") for address, text in found.items()}
    return {address: Secret(password) for address, password in raw.items() if _FITS.fullmatch(password)}


def _raw(text: str) -> bytes:
    """Empty for what is no base64: one such Secret must not keep a node from its other sessions."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return b""
