"""RouteMatch -> Envoy's RouteMatch. Pure translation; limits on clients and ports were settled in `scope`."""

from __future__ import annotations

from typing import Any, assert_never

from tandem.compile.envoy.claims import claim_matcher
from tandem.compile.envoy.filters.grpcweb import CONTENT_TYPE
from tandem.compile.envoy.proto import Json
from tandem.ir.mesh import (
    ClaimMatch,
    Exact,
    HeaderMatch,
    PathPrefix,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    RouteMatch,
    StringMatch,
)


def route_match(match: RouteMatch) -> Json:
    """All parts of the match; an empty one is every path."""
    body: dict[str, Any] = dict(_path(match.path))
    if match.ignore_case:
        body["case_sensitive"] = False
    headers = [_header(header) for header in match.headers]
    if match.method is not None:
        headers.insert(0, _header(HeaderMatch(name=":method", match=match.method)))
    if match.grpc:
        headers.append(_header(HeaderMatch(name="content-type", match=Regex(CONTENT_TYPE))))
    if headers:
        body["headers"] = headers
    if match.query:
        body["query_parameters"] = [_query(query) for query in match.query]
    if match.until:
        body["runtime_fraction"] = {"default_value": {"numerator": match.until, "denominator": "MILLION"}}
    if match.claims:
        body["dynamic_metadata"] = [_claim(claim) for claim in match.claims]
    return body


def _claim(claim: ClaimMatch) -> Json:
    body = claim_matcher(claim.claim, string_match(claim.match))
    return {**body, "invert": True} if claim.invert else body


def _path(path: StringMatch | None) -> Json:
    match path:
        case None | Present():
            return {"prefix": "/"}
        case Exact(value):
            return {"path": value}
        case Prefix(value):
            return {"prefix": value or "/"}
        case PathPrefix(value):
            # Envoy wants no trailing slash here, and "/" alone is every path (Gateway API, PathMatchPathPrefix).
            stem = value.rstrip("/")
            return {"path_separated_prefix": stem} if stem else {"prefix": "/"}
        case Regex(value):
            return {"safe_regex": {"regex": value}}
        case _:
            assert_never(path)


def string_match(match: StringMatch) -> Json:
    """A StringMatcher; present is any value."""
    match match:
        case Exact(value):
            return {"exact": value}
        case Prefix(value) | PathPrefix(value):
            # An empty prefix is not valid in Envoy; every value starts with it.
            return {"prefix": value} if value else {"safe_regex": {"regex": ".*"}}
        case Regex(value):
            return {"safe_regex": {"regex": value}}
        case Present():
            return {"safe_regex": {"regex": ".*"}}
        case _:
            assert_never(match)


def _header(header: HeaderMatch) -> Json:
    body: dict[str, Any] = {"name": header.name}
    if isinstance(header.match, Present):
        body["present_match"] = True
    else:
        body["string_match"] = string_match(header.match)
    if header.invert:
        body["invert_match"] = True
        if not isinstance(header.match, Present):
            # "Does not have this value" holds for a request without the header; Envoy alone would say no.
            body["treat_missing_header_as_empty"] = True
    return body


def _query(query: QueryMatch) -> Json:
    if isinstance(query.match, Present):
        return {"name": query.name, "present_match": True}
    return {"name": query.name, "string_match": string_match(query.match)}
