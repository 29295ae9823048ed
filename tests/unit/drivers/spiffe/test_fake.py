"""The fake tells what it was told to, and who asked."""

from __future__ import annotations

import asyncio

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.spiffe.fake import FakeWorkloadApi


def test_it_tells_in_order_and_ends_in_the_error() -> None:
    async def main() -> list[object]:
        fake = FakeWorkloadApi()
        for news in ({"a": "PEM"}, {}, DriverError("gone")):
            fake.tell(news)
        stream = fake.bundles("/api")
        found: list[object] = [await anext(stream), await anext(stream)]
        with pytest.raises(DriverError, match="gone"):
            await anext(stream)
        return [*fake.asked, *found]

    assert asyncio.run(main()) == ["/api", {"a": "PEM"}, {}]
