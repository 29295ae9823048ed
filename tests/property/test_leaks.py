"""Observations of containers that come, live, leak and come to life again, in any order, against the promise."""

from __future__ import annotations

import asyncio

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.ipam.journal import Attachment
from tandem.ipam.pool import Pool
from tandem.podnet.leaks import Leaks, Witnesses
from unit.podnet.playground import Playground

NAMES = st.sampled_from(["c1", "c2", "c3"])
GRACE = 60.0


class Observations(RuleBasedStateMachine):
    """The model is container -> since when every observation found it gone (None: it lives)."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.ground = Playground()
        self.ground.node.addresses = Pool.of("10.244.0.0/24")
        self.clock = FixedClock(1000.0)
        self.gone: set[ContainerId] = set()
        self.since: dict[ContainerId, float] = {}
        self.present: set[ContainerId] = set()
        witnesses = Witnesses(abandoned=self.abandoned, has_pod=lambda _: False)
        self.leaks = Leaks(self.ground.journal, self.ground.verbs, witnesses, self.clock, grace=GRACE)

    def teardown(self) -> None:
        self.loop.close()

    async def abandoned(self, attachments: tuple[Attachment, ...]) -> frozenset[ContainerId]:
        return frozenset(self.gone & {a.container_id for a in attachments})

    @rule(name=NAMES)
    def add(self, name: str) -> None:
        container = ContainerId(name)
        if container in self.present:
            return
        self.ground.links.namespaces.pop(f"/ns/{name}", None)
        self.ground.links.add_netns(f"/ns/{name}")
        self.loop.run_until_complete(self.ground.add(name, netns=f"/ns/{name}"))
        self.present.add(container)
        self.gone.discard(container)

    @rule(name=NAMES, alive=st.booleans())
    def change(self, name: str, *, alive: bool) -> None:
        (self.gone.discard if alive else self.gone.add)(ContainerId(name))

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        container = ContainerId(name)
        if container in self.present:
            self.loop.run_until_complete(self.ground.delete(name, netns=f"/ns/{name}"))
            self.present.discard(container)
            self.since.pop(container, None)

    @rule()
    def observe(self) -> None:
        now = self.clock.monotonic()
        gone = self.gone & self.present
        self.since = {c: self.since.get(c, now) for c in gone}
        assert self.loop.run_until_complete(self.leaks.observe()) == ()
        self.present -= {c for c, since in self.since.items() if 0 < now - since >= GRACE}

    @invariant()
    def exactly_what_was_gone_for_the_grace_period_is_taken_away(self) -> None:
        assert {a.container_id for a in self.ground.journal.all()} == self.present


TestObservations = Observations.TestCase
TestObservations.settings = settings(max_examples=40, stateful_step_count=40)
