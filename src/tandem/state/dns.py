"""What a node's DNS server is to answer, as values: records, the servers behind it, and what it is started with.

Names are lower-case and end in a dot, data is in presentation form (RFC 1035, 5.1): equal records are equal values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TTL: Final = 5
"""Seconds that a record of the cluster, or its absence, may be cached."""
CNAME: Final = "CNAME"
INSIDE: Final = "127.116.0.53"
"""Where the node itself asks: a loopback address that nobody else uses; pods cannot reach it."""


@dataclass(frozen=True, slots=True, order=True)
class Record:
    """One resource record of class IN."""

    name: str
    kind: str
    data: str

    def __str__(self) -> str:
        return f"{self.name} {TTL} {self.kind} {self.data}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All names of the cluster, and who is asked for any other name."""

    records: frozenset[Record] = frozenset()
    hosts: frozenset[Record] = frozenset()
    """Names outside the cluster that pods are told otherwise than others are."""
    upstreams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NameAnswer:
    """What a server said of a name: its addresses of one family, at the end of whatever aliases lead to them.

    None at all is an answer as well: there is no such name, or it has no address of this family.
    """

    name: str
    """As it was asked for; lower case, without the dot at the end."""
    version: int
    """4 or 6."""
    addresses: tuple[str, ...] = ()
    """In canonical form, sorted."""
    ttl: int = 0
    """Seconds: the least of all records on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """What a server is started with; another value needs another process."""

    addresses: tuple[str, ...]
    domain: str
    reverse: tuple[str, ...]
    """Zones below in-addr.arpa and ip6.arpa of which a name without a record does not exist."""
    clients: tuple[str, ...]
    """Prefixes that may ask; all others are refused."""
