"""What tests can make the fake do; what it has in common with the real one is in tests/contract/test_fast_path.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.bpf.fake import FakeFastPath, FakeLinks
from tandem.drivers.bpf.port import Delta, Held
from tandem.state.fastpath import FastEnd

END = FastEnd(address="10.0.0.2", host_ifname="td1", mac="02:00:00:00:00:01")
ALL = Delta(put=(END,), attach=("td1",))


def test_the_next_call_fails_and_changes_nothing() -> None:
    fake = FakeFastPath(FakeLinks(there={"td1"}))
    fake.fail_next(DriverError("busy"))
    with pytest.raises(DriverError, match="busy"):
        asyncio.run(fake.apply(ALL))
    assert asyncio.run(fake.read()) == Held()
    asyncio.run(fake.apply(ALL))
    assert asyncio.run(fake.read()) == Held(ends=frozenset({END}), links=frozenset({"td1"}))


def test_a_kernel_without_it_still_takes_filters_off() -> None:
    links = FakeLinks(there={"td1", "td2"}, filtered={"td1", "td2"})
    fake = FakeFastPath(links, unable="no such function")
    with pytest.raises(DriverError, match="no such function"):
        asyncio.run(fake.apply(Delta(attach=("td1",), detach=("td2",))))
    assert asyncio.run(fake.read()) == Held(earlier=frozenset({"td1"}))
    asyncio.run(fake.apply(Delta(detach=("td1",))))
    assert not links.filtered
