"""On which terms a listener of a gateway ends TLS: versions, ciphers, and what is asked of clients."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tandem.ir.trust import Domains


class TlsVersion(StrEnum):
    """Envoy's names."""

    V1_0 = "TLSv1_0"
    V1_1 = "TLSv1_1"
    V1_2 = "TLSv1_2"
    V1_3 = "TLSv1_3"


class ClientProof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client's certificate must be: of one of these authorities, and whatever else is given.

    A certificate that is not so is refused, and where it is `required` also a client that has none.
    """

    required: bool = True
    lenient: bool = False
    """Nobody is refused after all: what is shown proves nothing."""
    roots_pem: str
    crl_pem: str = ""
    """Certificates that were revoked."""
    names: tuple[str, ...] = ()
    """One of these is among its names, of DNS or as URI."""
    spki: tuple[str, ...] = ()
    """Digests (SHA-256, base64) of public keys, and `hashes` (hexadecimal) of certificates: one of both is its own."""
    hashes: tuple[str, ...] = ()


class TlsTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Versions from `least` to `most`; no ciphers: Envoy's. `most` None: the newest."""

    least: TlsVersion = TlsVersion.V1_2
    most: TlsVersion | None = None
    ciphers: tuple[str, ...] = ()
    """Of versions before 1.3."""
    clients: ClientProof | None = None
    """None: nothing is asked of them."""
    mesh: Domains | None = None
    """The gateway shows its identity in the mesh, and asks for one of these; nothing else counts."""
