"""What an nftables driver promises: `plan` decides, a driver carries out one transaction or nothing."""

from __future__ import annotations

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

    def remove(self) -> None:
        """Deletes our table and nothing else; fine if there is none."""
