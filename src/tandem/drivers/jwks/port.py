"""What the agent asks of a fetcher of key sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Resolve = Callable[[str], tuple[str, ...]]
"""The addresses of a host, best first; empty if it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where keys are. `discover`: `url` is an issuer, whose configuration names the place."""

    url: str
    discover: bool
    timeout: float
    """In seconds, for each request."""
    outward: bool = False
    """Nothing is asked of addresses that only the host itself has a meaning for: loopback and link-local ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A key set as it came, and for how many seconds it may be kept (Cache-Control); None: nothing is said."""

    text: str
    seconds: float | None = None


class Fetcher(Protocol):
    """Blocks; called in a thread."""

    def fetch(self, place: Place, netns: str, resolve: Resolve) -> Answer:
        """Ask over a connection from that network namespace; raises DriverError, never with what was answered."""
