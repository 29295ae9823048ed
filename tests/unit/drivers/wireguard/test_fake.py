"""What tests can make the fake do; what it has in common with the real ones is in tests/contract/test_wireguard.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.wireguard.fake import FakeWireguard
from tandem.drivers.wireguard.plan import plan
from tandem.drivers.wireguard.port import Held, WireguardError
from unit.drivers.wireguard.cases import HELD, KEY, TUNNEL


def test_the_next_call_fails_and_changes_nothing() -> None:
    fake = FakeWireguard()
    fake.fail_next(WireguardError("no answer"))
    with pytest.raises(WireguardError, match="no answer"):
        asyncio.run(fake.apply(plan(Held(), TUNNEL, KEY)))
    assert asyncio.run(fake.read()) == Held()
    asyncio.run(fake.apply(plan(Held(), TUNNEL, KEY)))
    assert asyncio.run(fake.read()) == HELD
