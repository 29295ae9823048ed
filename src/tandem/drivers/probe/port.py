"""What a prober does: `real.py` with raw sockets, `fake.py` with paths of given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Prober(Protocol):
    """Blocks for as long as it takes; the caller runs it in a thread."""

    def echo(self, sizes: Mapping[str, int], seconds: float) -> frozenset[str]:
        """Send one ICMP echo to each address, an IP packet of so many bytes that nobody may fragment.

        Returns the addresses that answered in time; an echo that cannot even be sent is one that is not
        answered. Raises DriverError where raw sockets are refused.
        """
