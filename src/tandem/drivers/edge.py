"""The call by which an agent asks control for the certificates of the gateways that it serves, and their SDS secrets.

Keys travel in this answer alone, and are in memory only: of the agent, and of its Envoy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.base.digest import digest
from tandem.base.secret import Secret
from tandem.drivers.ca.keys import tls_secret
from tandem.drivers.xds.messages import Encoded

CERTIFICATES: Final = "/tandem.v1.Gateways/Certificates"


class _Pair(msgspec.Struct, frozen=True):
    chain: str
    key: str

    def __repr__(self) -> str:
        return "<pair>"


def encode(pairs: Mapping[str, tuple[str, Secret]]) -> bytes:
    """Control's answer: chain and key, both in PEM, by name."""
    return msgspec.json.encode({name: _Pair(chain, key.reveal().decode()) for name, (chain, key) in pairs.items()})


def decode(data: bytes) -> dict[str, tuple[str, Secret]]:
    """The same in the agent; raises ValueError for an answer that is none."""
    found = msgspec.json.decode(data, type=dict[str, _Pair])
    return {name: (pair.chain, Secret(pair.key.encode())) for name, pair in found.items()}


def certificate_secret(name: str, chain: str, key: Secret) -> Encoded:
    """The SDS secret `name`; the version is that of the chain, the key is in no digest."""
    return Encoded(name, digest(chain, 16), tls_secret(name, chain, key))
