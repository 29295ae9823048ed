"""What the agent needs of iptables: to read the tables `filter` that there are, and to change one in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tandem.drivers.firewall.chains import Filter


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The result of `read`."""

    tables: tuple[Filter, ...] = ()
    unread: tuple[str, ...] = ()
    """Why a table of iptables-legacy, which nothing else shows, could not be read: one sentence each."""


class Firewall(Protocol):
    """Tables `filter` of iptables-nft and iptables-legacy, of both families. May block: to be called in a thread."""

    def read(self) -> Found:
        """Those that there are; makes none."""

    def change(self, table: Filter, text: str) -> None:
        """All of what `changes` said, or nothing; raises DriverError."""

    def state(self) -> object:
        """Unequal to what it was if tables may be others; of iptables-legacy only which tables there are shows here."""
