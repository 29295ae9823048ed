"""Attachments, and what a journal says of addresses; what every Journal does is in tests/contract/test_journal.py."""

from __future__ import annotations

from attaching import attachment
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId
from tandem.ipam.journal import Foreign, MemoryJournal, use_of
from tandem.ir.node import ForeignLink
from tandem.state.foreign import UNTOUCHED


def test_a_pod_is_reached_by_the_addresses_that_its_own_network_gave() -> None:
    foreign = Foreign(link=ForeignLink(ifname="eth0"), addresses=("10.88.0.2",), before=UNTOUCHED)
    assert attachment("c1", "10.244.0.2").pod_addresses == ("10.244.0.2",)
    assert attachment("c1", foreign=foreign).pod_addresses == ("10.88.0.2",)


def test_what_is_in_use_is_what_the_journal_says_now() -> None:
    clock = FixedClock(1000.0)
    journal = MemoryJournal(clock)
    for name, address in (("c1", "10.244.0.2"), ("c2", "10.244.0.3")):
        journal.add(attachment(name, address, opened=True))
    journal.remove((ContainerId("c1"), "eth0"))
    use = use_of(journal, clock, cool_down=30)
    assert (set(use.taken), use.last) == ({"10.244.0.3"}, {4: "10.244.0.3"})
    assert (use.released, use.now - use.released["10.244.0.2"]) == ({"10.244.0.2": use.now}, 0)
    assert use.cools("10.244.0.2") > 0
