"""What only the fake does: fail when told to. All else is in tests/contract/test_link_driver.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.drivers.link.fake import FakeLinks


def test_the_next_call_of_that_method_fails_once_and_does_nothing() -> None:
    async def main() -> None:
        fake = FakeLinks(mtu=1300)
        fake.add_netns("/ns/1")
        fake.fail_next(DriverError("busy"), "pin")
        assert await fake.underlay_mtu() == 1300
        with pytest.raises(DriverError, match="busy"):
            await fake.pin(ContainerId("c1"), "/ns/1")
        assert fake.pins == {}
        await fake.pin(ContainerId("c1"), "/ns/1")
        assert fake.calls == ["underlay_mtu", "pin", "pin"]

    asyncio.run(main())


def test_without_a_method_the_next_call_of_any_fails() -> None:
    async def main() -> None:
        fake = FakeLinks()
        fake.fail_next(DriverError("busy"))
        with pytest.raises(DriverError):
            await fake.list_owned()

    asyncio.run(main())


def test_a_pin_outlives_the_path_of_the_runtime() -> None:
    async def main() -> None:
        fake = FakeLinks()
        netns = fake.add_netns("/ns/1")
        pin = await fake.pin(ContainerId("c1"), "/ns/1")
        fake.remove_netns("/ns/1")
        assert fake.namespaces[pin] is netns

    asyncio.run(main())
