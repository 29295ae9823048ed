"""What the agent needs of its DNS server: records in force."""

from __future__ import annotations

from typing import Protocol

from tandem.base.problems import DriverError
from tandem.drivers.dns.plan import Delta, Held


class DnsError(DriverError):
    """The DNS server does not start, does not answer its control socket, or refuses; the text says which."""


class DnsDriver(Protocol):
    """The records of one running server."""

    async def read(self) -> Held:
        """What it holds now; raises DnsError."""

    async def apply(self, delta: Delta) -> None:
        """Change element by element; a name that keeps a record is never without one. Raises DnsError."""
