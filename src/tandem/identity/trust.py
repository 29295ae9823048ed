"""Which roots the mesh trusts while its authority becomes another one. Pure: times are seconds since the epoch.

New roots are trusted before anything is signed below them, and old ones for as long as what was signed below them may
live. Between two moments a root is in the bundle of every node, or certificates below it are on no node.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

KEEP: Final = 24 * 3600.0 + 600.0
"""Seconds that a root is trusted after the last certificate was signed below it: a certificate's life, and clocks."""


class Trusted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One root in PEM; `until` 0: for as long as the authority names it."""

    pem: str
    until: float = 0.0


class Trust(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The bundle, and the fingerprint of the certificate that signs; empty: nothing was ever signed."""

    signer: str = ""
    roots: tuple[Trusted, ...] = ()

    @property
    def pem(self) -> str:
        """All roots."""
        return "".join(root.pem for root in self.roots)

    @property
    def ends(self) -> float:
        """When the next root is no longer trusted; 0: none ends."""
        return min((root.until for root in self.roots if root.until), default=0.0)


def extended(trust: Trust, signer: str, roots: Iterable[str], now: float) -> Trust:
    """With the roots of the authority `signer` in it; the others go once it signs and their time has come."""
    named = tuple(dict.fromkeys(roots))
    kept = (_kept(root, named, now, signs=trust.signer == signer) for root in trust.roots)
    before = tuple(root for root in kept if not root.until or root.until > now)
    held = {root.pem for root in before}
    return Trust(signer=trust.signer, roots=(*before, *(Trusted(pem=pem) for pem in named if pem not in held)))


def switched(trust: Trust, signer: str, roots: Iterable[str], now: float) -> Trust:
    """From now on `signer` signs."""
    return extended(Trust(signer=signer, roots=trust.roots), signer, roots, now)


def _kept(root: Trusted, named: Collection[str], now: float, *, signs: bool) -> Trusted:
    if root.pem in named:
        return Trusted(pem=root.pem)
    return Trusted(pem=root.pem, until=now + KEEP) if signs and not root.until else root
