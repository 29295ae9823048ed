"""Whose tokens a pod takes for valid (JWT, RFC 7519), as the pod's proxy judges them.

A request without a token passes, and says nothing of who asks. One with a token that is not valid is refused, but
where the rule is a provider's: there it is none.
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
    keep_ms: int = 0
    """After which they are asked for again at the latest; 0: the agent's own time."""

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
    provider: str = ""
    """`NAMESPACE/NAME` of a JWTProvider: intentions ask for its tokens by that name, and one that is not valid is none.

    A token that it takes out of a header, and does not forward, is there for no rule after it.
    """
    payload_padded: bool = False
    """In `payload_header` base64url has its padding."""
    skew_seconds: int = 0
    """By so much clocks may differ; 0: the proxy's own (60)."""
    cached: int = 0
    """Of so many tokens the verdict is kept."""
    origin: Origin


def told_headers(rules: tuple[JwtRule, ...]) -> tuple[str, ...]:
    """The headers in which the proxy alone speaks, in lower case, sorted."""
    found = {header for rule in rules for header, _ in rule.claim_headers}
    found |= {rule.payload_header for rule in rules if rule.payload_header}
    return tuple(sorted({name.lower() for name in found}))
