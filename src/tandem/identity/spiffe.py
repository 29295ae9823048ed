"""SPIFFE ids of workloads: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` and their parts. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tandem.base.ids import SpiffeId

DEFAULT_TRUST_DOMAIN: Final = "cluster.local"
_MAX: Final = 2048
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}")
_ID: Final = re.compile(r"spiffe://([a-z0-9._-]{1,255})/ns/([a-zA-Z0-9._-]+)/sa/([a-zA-Z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class Workload:
    """Whom an id speaks of."""

    trust_domain: str
    namespace: str
    service_account: str


def spiffe_id(namespace: str, service_account: str, trust_domain: str = DEFAULT_TRUST_DOMAIN) -> SpiffeId:
    """The id of a service account; raises ValueError for parts that no id can have."""
    made = SpiffeId(f"spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")
    if parse(made) is None:
        raise ValueError(f"{made!r} is no SPIFFE id of a workload")
    return made


def parse(text: str) -> Workload | None:
    """The parts, or None if this is not the id of a workload."""
    # SPIFFE-ID section 2.3: at most 2048 bytes; 2.2: "." and ".." are no path segments.
    found = _ID.fullmatch(text)
    if found is None or len(text) > _MAX or {found[2], found[3]} & {".", ".."}:
        return None
    return Workload(found[1], found[2], found[3])


def is_trust_domain(text: str) -> bool:
    """Lower case letters, digits, dots, dashes and underscores (SPIFFE-ID section 2.1)."""
    return _TRUST_DOMAIN.fullmatch(text) is not None
