from __future__ import annotations

import asyncio

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.announce.fake import FakeAnnouncer
from tandem.drivers.announce.plan import Link


def test_a_failure_changes_nothing() -> None:
    async def scene() -> None:
        fake = FakeAnnouncer([Link(index=2, name="eth0", mac=b"", subnets=("192.0.2.7/24",))])
        await fake.hold(frozenset({"192.0.2.65"}))
        fake.fail_next(DriverError("busy"))
        with pytest.raises(DriverError, match="busy"):
            await fake.hold(frozenset())
        assert await fake.owned() == ("192.0.2.65",)

    asyncio.run(scene())
