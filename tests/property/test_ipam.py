"""Journal and pool against a dictionary, with kills (reopening the file) and jumps of the wall clock at any point."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from attaching import attachment
from tandem.base.addresses import family
from tandem.base.ids import ContainerId
from tandem.ipam.pool import ANY, Pool, PoolFullError, Use
from tandem.ipam.store import SqliteJournal

CONTAINERS = st.sampled_from([ContainerId(f"c{n}") for n in range(9)])
COOL_DOWN = 30.0
POOL = Pool.of("10.0.0.0/29", "10.0.9.9/32", "fd00::/125")
"""Six addresses of IPv4 in two blocks, six of IPv6."""


class Clocks:
    """A monotonic clock that goes on, and a wall clock that does as it likes."""

    def __init__(self) -> None:
        self.steady, self.wall = 1000.0, 1e9

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady


class Addresses(RuleBasedStateMachine):
    """The model is container -> addresses, and address -> when it was given up."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.clocks = Clocks()
        self.model: dict[ContainerId, tuple[str, ...]] = {}
        self.given_up: dict[str, float] = {}
        self.journal = self.open()

    def open(self) -> SqliteJournal:
        return SqliteJournal(Path(self.directory.name, "j.db"), self.clocks)

    def teardown(self) -> None:
        self.journal.close()
        self.directory.cleanup()

    def use(self) -> Use:
        return Use(
            taken=self.journal.taken(),
            released=self.journal.released(),
            last=self.journal.last(),
            now=self.clocks.steady,
            cool_down=COOL_DOWN,
        )

    def cools(self, address: str) -> bool:
        return self.clocks.steady - self.given_up.get(address, -COOL_DOWN) < COOL_DOWN

    def free(self, version: int) -> list[str]:
        every = (
            [f"10.0.0.{n}" for n in range(2, 7)] + ["10.0.9.9"] if version == 4 else [f"fd00::{n}" for n in range(2, 8)]
        )
        taken = {a for addresses in self.model.values() for a in addresses}
        return [a for a in every if family(a) == version and a not in taken and not self.cools(a)]

    @rule(container=CONTAINERS, opened=st.booleans())
    def add(self, container: ContainerId, *, opened: bool) -> None:
        if container in self.model:
            return
        free = self.free(4), self.free(6)
        try:
            addresses = POOL.give(ANY, self.use())
        except PoolFullError:
            assert not all(free), f"refused, and free are {free}"
            return
        assert [a in of for a, of in zip(addresses, free, strict=True)] == [True, True]
        self.journal.add(attachment(container, *addresses, opened=opened))
        self.model[container] = addresses

    @rule(container=CONTAINERS)
    def remove(self, container: ContainerId) -> None:
        held = self.journal.get((container, "eth0"))
        self.journal.remove((container, "eth0"))
        for address in self.model.pop(container, ()):
            if held is not None and held.opened:
                self.given_up[address] = self.clocks.steady

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = self.open()

    @rule(seconds=st.sampled_from([0.5, 29.0, 31.0]), jump=st.sampled_from([0.0, -1e6, 1e6]))
    def time_passes(self, seconds: float, jump: float) -> None:
        self.clocks.steady += seconds
        self.clocks.wall += seconds + jump

    @invariant()
    def journal_is_the_model(self) -> None:
        assert {a.container_id: a.addresses for a in self.journal.all()} == self.model
        assert set(self.journal.taken()) == {a for addresses in self.model.values() for a in addresses}

    @invariant()
    def counts_are_right(self) -> None:
        counts = POOL.counts(self.use())
        assert sum(c.free for c in counts[:2]) == len(self.free(4))
        assert counts[2].free == len(self.free(6))


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=40, stateful_step_count=40)
