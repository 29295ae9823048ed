"""What rules ask of the valid token of a request -> matchers of the metadata in which its payload lies. Pure."""

from __future__ import annotations

from typing import Final, assert_never

from tandem.compile.envoy.proto import Json
from tandem.ir.authz import Contains, Suffix, Template, Text
from tandem.ir.mesh import Exact, Prefix, Present, Regex

METADATA: Final = "envoy.filters.http.jwt_authn"
PAYLOAD: Final = "payload"
"""Where in the filter's metadata the payload of the valid token is, whoever issued it; a provider's is by its name."""
_ISSUER: Final = ("iss",)
_SUBJECT: Final = ("sub",)


def string(value: Text) -> Json:
    """A StringMatcher."""
    match value:
        case Exact(text):
            return {"exact": text}
        case Prefix(text):
            return {"prefix": text}
        case Suffix(text):
            return {"suffix": text}
        case Contains(text):
            return {"contains": text}
        case Regex(text):
            return {"safe_regex": {"regex": text}}
        case Present() | Template():
            return {"safe_regex": {"regex": ".+"}}
        case _:
            assert_never(value)


def token_claim(path: tuple[str, ...], value: Text) -> Json:
    """A Principal: the claim is such a text, or a list with one."""
    return {"metadata": claim_matcher(path, string(value))}


def provider_claim(provider: str, path: tuple[str, ...], value: Text) -> Json:
    """A Principal or a Permission: the claim of the provider's token is such a text; without a name: there is one."""
    found: Json = {"present_match": True} if isinstance(value, Present) else {"string_match": string(value)}
    return {"metadata": _matcher((provider, *path), found)}


def claim_matcher(path: tuple[str, ...], matcher: Json) -> Json:
    """A MetadataMatcher: the same for any StringMatcher."""
    text = {"string_match": matcher}
    return _matcher((PAYLOAD, *path), {"or_match": {"value_matchers": [text, {"list_match": {"one_of": text}}]}})


def token_subject(value: Text) -> Json:
    """A Principal: `ISSUER/SUBJECT` is such a text, wherever in it the one ends and the other begins."""
    match value:
        case Exact(text):
            ways = [_both(Exact(issuer), Exact(subject)) for issuer, subject in _parts(text)]
        case Prefix(text):
            ways = [_both(Exact(issuer), Prefix(subject) if subject else Present()) for issuer, subject in _parts(text)]
            ways.append(_both(Prefix(text), Present()))
        case Suffix(text):
            ways = [_both(Suffix(issuer) if issuer else Present(), Exact(subject)) for issuer, subject in _parts(text)]
            ways.append(_both(Present(), Suffix(text)))
        case _:
            ways = [_both(Present(), Present())]
    if not ways:  # without a slash it is nobody's
        return {"not_id": {"any": True}}
    return ways[0] if len(ways) == 1 else {"or_ids": {"ids": ways}}


def _parts(text: str) -> list[tuple[str, str]]:
    """Every way to read a text as issuer, slash and subject."""
    return [(text[:i], text[i + 1 :]) for i, c in enumerate(text) if c == "/"]


def _both(issuer: Text, subject: Text) -> Json:
    parts = ((_ISSUER, issuer), (_SUBJECT, subject))
    matchers = [_matcher((PAYLOAD, *path), {"string_match": string(text)}) for path, text in parts]
    return {"and_ids": {"ids": [{"metadata": matcher} for matcher in matchers]}}


def _matcher(path: tuple[str, ...], value: Json) -> Json:
    return {"filter": METADATA, "path": [{"key": key} for key in path], "value": value}
