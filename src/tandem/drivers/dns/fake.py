"""A DnsDriver without a server: for tests of what is built on it. Passes the contract tests of the real one."""

from __future__ import annotations

from tandem.drivers.dns.plan import Change, Delta, Held, Records
from tandem.drivers.failing import Failing


class FakeDns(Failing):
    """Holds records; `fail_next(error)` makes the next call fail."""

    def __init__(self) -> None:
        self.held = Held()
        self.applied: list[Delta] = []

    async def read(self) -> Held:
        """What was applied."""
        self.may_fail()
        return self.held

    async def apply(self, delta: Delta) -> None:
        """As the real one does."""
        self.may_fail()
        self.applied.append(delta)
        self.held = Held(
            front=_changed(self.held.front, delta.front),
            authority=_changed(self.held.authority, delta.authority),
            wildcards=self.held.wildcards if delta.wildcards is None else delta.wildcards,
            upstreams=self.held.upstreams if delta.upstreams is None else delta.upstreams,
        )


def _changed(records: Records, change: Change) -> Records:
    gone = frozenset(change.remove)
    return frozenset(r for r in records if r.name not in gone).union(change.add)
