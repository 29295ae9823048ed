"""How many requests may come, and how they are counted: what a RateLimit says of one of its targets."""

from __future__ import annotations

from enum import Enum

import msgspec

from tandem.base.ids import SpiffeId
from tandem.base.problems import Origin
from tandem.ir.match import RouteMatch


class Key(Enum):
    """What of a request decides with which others it is counted."""

    NAMESPACE = "namespace"
    """Of the identity that its client has proved."""
    SERVICE_ACCOUNT = "serviceAccount"
    """That identity itself."""
    ADDRESS = "address"
    """Of the other end of the connection."""
    HEADER = "header"
    PATH = "path"
    """Without the query."""
    METHOD = "method"
    CLAIM = "claim"
    """Of the valid token that came with it; only texts count."""


class CountedBy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests of which this differs are counted apart; those that have nothing there are counted together."""

    key: Key
    name: str = ""
    """Of a header, in lower case."""
    claim: tuple[str, ...] = ()
    """Of a claim: its name, after those of the claims that it is within."""


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bucket of `burst` requests, into which come `requests` in `seconds`, evenly; one for each value of `by`."""

    requests: int
    seconds: int
    burst: int
    by: tuple[CountedBy, ...] = ()
    matches: tuple[RouteMatch, ...] = ()
    """One of them must hold; none: every request counts."""
    unless: tuple[RouteMatch, ...] = ()
    """None of them may hold."""
    clients: tuple[SpiffeId, ...] = ()
    """At a pod: only requests of these count."""
    others: tuple[SpiffeId, ...] = ()
    """At a pod: requests of these do not."""
    origin: Origin


class Counter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who counts for all proxies together: a Service that speaks Envoy's rate limit protocol (v3) over gRPC."""

    namespace: str = ""
    service: str = ""
    """Empty: the one that is meant cannot be asked, and never answers."""
    port: int = 0
    domain: str
    """What its counters are kept apart by from those of others that ask it."""
    timeout_ms: int
    fail_open: bool = False
    """Without an answer a request passes."""


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All limits must leave room for a request. `staged`: it is told what would be refused, and nothing is."""

    name: str
    """Of the object and its target: what has this name in one place shares its buckets there."""
    limits: tuple[Limit, ...]
    staged: bool = False
    retry_after: bool = True
    """Who is refused is told when there will be room."""
    tells: bool = False
    """Everybody is told what is left (`x-ratelimit-*`)."""
    ports: tuple[int, ...] = ()
    """Of a pod, that it is about; none: all."""
    counter: Counter | None = None
    """None: each proxy counts for itself."""
    origin: Origin
