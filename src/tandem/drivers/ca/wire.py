"""The signing call between agent and control, as JSON."""

from __future__ import annotations

from typing import Final

import msgspec

SIGN: Final = "/tandem.v1.CertificateAuthority/Sign"


class SignRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate signing request in PEM; its one URI SAN is the identity that is asked for."""

    csr: str


class SignResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The chain in PEM, leaf first, and the fingerprint of the certificate that signed it."""

    chain: str
    signer: str


def encode(message: SignRequest | SignResponse) -> bytes:
    """As bytes of the call."""
    return msgspec.json.encode(message)


def decode_request(data: bytes) -> SignRequest:
    """Raises ValueError."""
    return msgspec.json.decode(data, type=SignRequest)


def decode_response(data: bytes) -> SignResponse:
    """Raises ValueError."""
    return msgspec.json.decode(data, type=SignResponse)
