"""The call by which an agent asks control for the passwords of its sessions, as JSON. Nothing else has them."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tandem.base.secret import Secret

PASSWORDS: Final = "/tandem.v1.Peers/Passwords"
_FITS: Final = re.compile(rb"[ !#-~]{1,80}")


class Passwords(msgspec.Struct, frozen=True, kw_only=True):
    """By the address of the peer."""

    passwords: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"Passwords({', '.join(sorted(self.passwords))})"


def encode(passwords: dict[str, str]) -> bytes:
    """Control's answer; the values are base64."""
    return msgspec.json.encode({"passwords": passwords})


def decode(data: bytes) -> dict[str, Secret]:
    """What an agent may use: a password that TCP MD5 or BIRD's file cannot carry is left out. Raises ValueError."""
    found = msgspec.json.decode(data, type=Passwords).passwords
    trimmed = {address: raw.removesuffix(b"\n") for address, raw in found.items()}
    return {address: Secret(raw) for address, raw in trimmed.items() if _FITS.fullmatch(raw)}
