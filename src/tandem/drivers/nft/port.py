"""What an nftables driver promises: `plan` decides, a driver carries out one transaction or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tandem.drivers.nft.plan import Delta
from tandem.state import nft


class NftDriver(Protocol):
    """One table in one network namespace. Calls block for milliseconds; callers use a thread.

    The usual loop: `delta = plan(driver.read(), desired); if delta: driver.apply(delta)`.
    """

    def read(self) -> nft.Ruleset | None:
        """What this driver applied last; None before the first apply, when the kernel's state is not known."""

    def apply(self, delta: Delta) -> None:
        """One atomic transaction; raises DriverError and changes nothing if the kernel refuses."""

    def counted(self) -> Mapping[str, int]:
        """Packets by counter, of every named counter of the table; `compile.nft.origins.counters` says what each is.

        A counter goes with what it counts and keeps its number otherwise, also where the table is replaced (but for
        packets of that very moment). Costs 2 ms for 100 counters, 0.2 s for 10,000. Raises DriverError without a table.
        """

    def forget(self) -> None:
        """What was applied last may not be there any more: the next plan replaces the table as a whole."""

    def present(self) -> bool:
        """Whether the kernel has the table, whoever made it. Raises DriverError."""

    def remove(self) -> None:
        """Deletes our table and nothing else; fine if there is none."""
