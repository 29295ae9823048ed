"""Whose tokens a pod takes for valid (JWT, RFC 7519), as the pod's proxy judges them.

A request without a token passes, and says nothing of who asks. One with a token that is not valid is refused.
"""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin


class GivenKeys(msgspec.Struct, frozen=True, tag="given"):
    """A JSON Web Key Set; empty: there are no keys, and no token is valid."""

    jwks: str


class FetchedKeys(msgspec.Struct, frozen=True, kw_only=True, tag="fetched", order=True):
    """Keys that are fetched, again and again.

    `discover`: `url` is the issuer, whose configuration names the place (OpenID Connect Discovery 1.0, section 4).
    """

    url: str
    discover: bool = False
    timeout_ms: int = 5000

    @property
    def source(self) -> str:
        """Names what is fetched."""
        return f"issuer {self.url}" if self.discover else self.url


Keys = GivenKeys | FetchedKeys


class JwtRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of one issuer. Where no place is named, they come in `Authorization: Bearer` or `access_token=`."""

    issuer: str
    """Empty: any that has the keys."""
    keys: Keys
    audiences: tuple[str, ...] = ()
    """One of them must be among those of the token; empty: any."""
    headers: tuple[tuple[str, str], ...] = ()
    """Name, and what stands before the token."""
    params: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    payload_header: str = ""
    """Tells the application the payload, base64url."""
    claim_headers: tuple[tuple[str, str], ...] = ()
    """Header and claim; `a.b` is within `a`."""
    forward: bool = False
    """The application is given the token itself, too."""
    lists: tuple[str, ...] = ()
    """Claims whose text is a list with spaces between."""
    origin: Origin


def told_headers(rules: tuple[JwtRule, ...]) -> tuple[str, ...]:
    """The headers in which the proxy alone speaks, in lower case, sorted."""
    found = {header for rule in rules for header, _ in rule.claim_headers}
    found |= {rule.payload_header for rule in rules if rule.payload_header}
    return tuple(sorted({name.lower() for name in found}))
