"""Errors of the real driver that need no kernel; the rest is in tests/contract/test_nft.py."""

from __future__ import annotations

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.real import Libnftables
from tandem.state import nft


def test_a_namespace_that_is_gone_is_named() -> None:
    driver: NftDriver = Libnftables("/run/netns/there-is-none-of-this-name")
    with pytest.raises(DriverError, match="there-is-none-of-this-name"):
        driver.apply(plan(driver.read(), nft.ruleset()))
    assert driver.read() is None
