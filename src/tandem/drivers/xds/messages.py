"""The values that delta-xDS sessions exchange; frozen, free of protobuf and of sockets.

`codec.py` turns them into protobuf messages and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Encoded:
    """One resource as it travels: `value` is the payload of the Any of its type URL, and may hold a private key."""

    name: str
    version: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A DeltaDiscoveryRequest. `error` None with a nonce is an ACK, a text with a nonce is a NACK."""

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None
    node: str = ""
    generation: int = 0
    """Of processes that take over from each other under the same name: which of them asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A DeltaDiscoveryResponse."""

    type_url: str
    nonce: str
    resources: tuple[Encoded, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The client has these versions in force, and the removed names no more."""

    type_url: str
    versions: Mapping[str, str]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The client refuses these: name -> (version, the client's words)."""

    type_url: str
    errors: Mapping[str, tuple[str, str]]


Action = Response | Accepted | Refused
"""What a server session asks its owner to do: send a Response, or take note of what the client accepted or refused."""
