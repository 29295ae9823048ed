"""What only the fake does: fail when told to. All else is in tests/contract/test_foreign_driver.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.base.problems import DriverError
from tandem.compile.foreign import compile_redirection
from tandem.drivers.foreign.fake import FakeForeign, Space


def test_the_next_call_of_that_method_fails_once_and_does_nothing() -> None:
    async def main() -> None:
        fake = FakeForeign()
        fake.spaces["/ns"] = Space({"eth0": frozenset({"10.88.0.2"})})
        fake.fail_next(DriverError("busy"), "prepare")
        with pytest.raises(DriverError, match="busy"):
            await fake.prepare("/ns", compile_redirection("eth0"))
        assert not fake.spaces["/ns"].prepared
        await fake.prepare("/ns", compile_redirection("eth0"))
        assert fake.spaces["/ns"].prepared == {compile_redirection("eth0")}
        assert fake.calls == ["prepare", "prepare"]

    asyncio.run(main())
