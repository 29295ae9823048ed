"""A signer whose next answer can be made to fail, and which remembers whom it signed; refuses as the real one does."""

from __future__ import annotations

from collections.abc import Collection

from tandem.drivers.ca.authority import Authority, read_csr
from tandem.drivers.failing import Failing


class FakeAuthority(Failing):
    """Real certificates of a root that is made on the spot."""

    def __init__(self, now: float, lifetime: float = 3600.0) -> None:
        self._authority = Authority.create("fake.local", now, lifetime)
        self.signed: list[str] = []

    @property
    def roots(self) -> str:
        """What to trust, PEM."""
        return self._authority.roots

    @property
    def signer(self) -> str:
        """Fingerprint of the certificate that signs."""
        return self._authority.signer

    def sign(self, csr_pem: str, allowed: Collection[str], now: float) -> str:
        """See `Signer`."""
        self.may_fail()
        chain = self._authority.sign(csr_pem, allowed, now)
        self.signed.append(read_csr(csr_pem)[1])
        return chain
