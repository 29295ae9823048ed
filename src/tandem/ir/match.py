"""What requests are told apart by: paths, methods, headers and parameters."""

from __future__ import annotations

import msgspec


class Exact(msgspec.Struct, frozen=True, tag="exact"):
    """Equal, case-sensitively (unless the match says otherwise)."""

    value: str


class Prefix(msgspec.Struct, frozen=True, tag="prefix"):
    """Starts with (Istio's prefix: `/v1` matches `/v1x`)."""

    value: str


class PathPrefix(msgspec.Struct, frozen=True, tag="path-prefix"):
    """Element-wise path prefix (Gateway API's PathPrefix: `/v1` matches `/v1/x`, not `/v1x`)."""

    value: str


class Regex(msgspec.Struct, frozen=True, tag="regex"):
    """RE2, the whole value must match."""

    value: str


class Present(msgspec.Struct, frozen=True, tag="present"):
    """The header exists."""


StringMatch = Exact | Prefix | PathPrefix | Regex | Present


class HeaderMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A header (name in lower case) and what its value must be; `invert` turns the answer round (absent: true)."""

    name: str
    match: StringMatch
    invert: bool = False


class QueryMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A query parameter and what its value must be."""

    name: str
    match: StringMatch


class ClaimMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A claim of the valid token, after those that it is within, and what it, or one text of its list, must be."""

    claim: tuple[str, ...]
    match: StringMatch
    invert: bool = False


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True):
    """All given parts must hold. An empty RouteMatch matches every request."""

    path: StringMatch | None = None
    ignore_case: bool = False
    method: StringMatch | None = None
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[QueryMatch, ...] = ()
    claims: tuple[ClaimMatch, ...] = ()
    """Of gateways alone: there tokens are judged before a route is looked for."""
    grpc: bool = False
    """gRPC requests only."""
    ports: tuple[int, ...] = ()
    """Service ports that the match is limited to; empty: all."""
    source_namespace: str | None = None
    source_labels: tuple[tuple[str, str], ...] = ()
    until: int = 0
    """Requests whose lot, one of a million and the same for all routes, is below this; 0: all."""
