"""Journal and pool against a dictionary, with kills (reopening the file) at any point."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.pool import ANY, Pool, PoolFullError, Use
from tandem.ipam.store import Attachment, SqliteJournal

CONTAINERS = st.sampled_from([ContainerId(f"c{n}") for n in range(8)])


class Addresses(RuleBasedStateMachine):
    """The model is container -> address."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.pool = Pool.of("10.0.0.0/29")
        self.model: dict[ContainerId, str] = {}
        self.journal = self.open()

    def open(self) -> SqliteJournal:
        return SqliteJournal(Path(self.directory.name, "j.db"))

    def give(self) -> str:
        use = Use(taken=self.journal.taken(), last=self.journal.last())
        return self.pool.give(ANY, use)[0]

    def teardown(self) -> None:
        self.journal.close()
        self.directory.cleanup()

    @precondition(lambda self: len(self.model) < 5)
    @rule(container=CONTAINERS)
    def add(self, container: ContainerId) -> None:
        if container in self.model:
            return
        before = self.journal.last().get(4)
        address = self.give()
        assert address not in self.model.values()
        assert address != before or len(self.model) == 4
        self.journal.add(
            Attachment(
                container_id=container,
                ifname="eth0",
                pod_uid=PodUid("u"),
                namespace="n",
                pod_name="p",
                addresses=(address,),
                mac="",
                host_ifname="",
                mtu=1500,
                netns="",
            )
        )
        self.model[container] = address

    @rule(container=CONTAINERS)
    def remove(self, container: ContainerId) -> None:
        self.journal.remove((container, "eth0"))
        self.model.pop(container, None)

    @rule()
    def restart(self) -> None:
        self.journal.close()
        self.journal = self.open()

    @precondition(lambda self: len(self.model) == 5)
    @rule()
    def a_full_pool_refuses(self) -> None:
        with pytest.raises(PoolFullError):
            self.give()

    @invariant()
    def journal_is_the_model(self) -> None:
        assert {a.container_id: a.addresses[0] for a in self.journal.all()} == self.model
        assert set(self.journal.taken()) == set(self.model.values())


TestAddresses = Addresses.TestCase
TestAddresses.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
