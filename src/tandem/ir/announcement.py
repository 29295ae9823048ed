"""What a node tells control of a pod's addresses at ADD, before the pod's status has them; as JSON.

The call is answered once every node that has a rule about the pod has its addresses in force. Pure.
"""

from __future__ import annotations

from typing import Final

import msgspec

ANNOUNCE: Final = "/tandem.v1.Addresses/Announce"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """A pod of this node has these addresses."""

    uid: str
    addresses: tuple[str, ...]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: how many groups of policies have the addresses."""

    groups: int = 0


def encode(message: Announcement | Known) -> bytes:
    """As bytes of the call."""
    return msgspec.json.encode(message)


def decode_announcement(data: bytes) -> Announcement:
    """Raises ValueError."""
    return msgspec.json.decode(data, type=Announcement)


def decode_known(data: bytes) -> Known:
    """Raises ValueError."""
    return msgspec.json.decode(data, type=Known)
