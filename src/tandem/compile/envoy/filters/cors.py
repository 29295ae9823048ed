"""Cross-origin requests (Fetch standard): preflights answered, headers added, for routes that say from where."""

from __future__ import annotations

from typing import Any, Final

from tandem.compile.envoy.match import string_match
from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.ir.mesh import Exact, Route, StringMatch

NAME: Final = "envoy.filters.http.cors"
_TYPE: Final = "extensions.filters.http.cors.v3."


def disabled() -> Json:
    """Its place in the chain."""
    return extension(NAME, f"{_TYPE}Cors")


def of(route: Route) -> Json | None:
    """A CorsPolicy; None where the route has none."""
    cors = route.cors
    if cors is None:
        return None
    body: dict[str, Any] = {"allow_origin_string_match": [_origin(origin) for origin in cors.origins]}
    for field, values in (
        ("allow_methods", cors.methods),
        ("allow_headers", cors.headers),
        ("expose_headers", cors.expose),
    ):
        if values:
            body[field] = ",".join(values)
    if cors.max_age_s is not None:
        body["max_age"] = str(cors.max_age_s)
    if cors.credentials:
        body["allow_credentials"] = True
    body["forward_not_matching_preflights"] = cors.forward_unmatched
    return any_of(f"{_TYPE}CorsPolicy", body)


def _origin(match: StringMatch) -> Json:
    return string_match(match) if match != Exact("*") else {"safe_regex": {"regex": ".*"}}
