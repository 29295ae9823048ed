"""What control needs of a certificate authority; the real one is `authority.py`, the fake `fake.py`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class SigningRefusedError(PermissionError):
    """The request asks for what it may not have, or is no proper request; the text says which."""


class Signer(Protocol):
    """Signs requests of nodes."""

    @property
    def roots(self) -> str:
        """What to trust, PEM."""

    @property
    def signer(self) -> str:
        """Fingerprint of the certificate that signs."""

    def sign(self, csr_pem: str, allowed: Collection[str], now: float) -> str:
        """The chain in PEM, leaf first; raises SigningRefusedError unless the one URI SAN is among `allowed`."""
