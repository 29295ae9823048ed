"""NftDriver in memory: refuses what the kernel refuses, changes nothing when it fails."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tandem.base.problems import DriverError
from tandem.drivers.failing import Failing
from tandem.drivers.nft.plan import Delta, ReplaceTable, apply
from tandem.state import nft


class FakeNft(Failing):
    """Holds the table; `applied` counts transactions."""

    def __init__(self) -> None:
        self._table: nft.Ruleset | None = None
        self._known = True
        self.applied = 0
        self.packets: dict[str, int] = {}
        """What counters of the table have counted; nought where nothing is said."""

    def read(self) -> nft.Ruleset | None:
        """The table as applied."""
        return self._table if self._known else None

    def apply(self, delta: Delta) -> None:
        """One transaction."""
        self.may_fail()
        if self._table is None and not (delta.operations and isinstance(delta.operations[0], ReplaceTable)):
            raise DriverError("nftables refused the transaction: no table")
        try:
            applied = apply(delta, self._table)
        except ValueError as err:
            raise DriverError(f"nftables refused the transaction: {err}") from err
        family = delta.after.family if delta.after is not None else applied.family
        self._table = msgspec.structs.replace(applied, family=family)
        self._known = True
        self.packets = {name: number for name, number in self.packets.items() if name in applied.counters}
        self.applied += 1

    def counted(self) -> Mapping[str, int]:
        """Packets by counter of the table."""
        self.may_fail()
        if self._table is None:
            raise DriverError("nftables: no table")
        return {name: self.packets.get(name, 0) for name in self._table.counters}

    def forget(self) -> None:
        """The table stays, and is not known."""
        self._known = False

    def present(self) -> bool:
        """Whether there is a table."""
        return self._table is not None

    def remove(self) -> None:
        """Deletes the table."""
        self.may_fail()
        self._table = None
