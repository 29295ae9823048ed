"""What the agent asks of a SPIFFE Workload API: whom to trust."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from tandem.base.problems import DriverError

Bundles = Mapping[str, str]
"""Trust domain -> its roots, PEM; empty: it is there, and nobody of it is to be trusted."""


class NotEntitledError(DriverError):
    """The API answers, and grants nothing (any more): what it told before is withdrawn."""


class WorkloadApi(Protocol):
    """Speaks with whoever listens on a unix socket."""

    def bundles(self, socket: str) -> AsyncIterator[Bundles]:
        """What it tells, each time all of it; ends in DriverError: NotEntitledError, or nobody tells anything more."""
