"""What only the fake can do; the rest is in tests/contract/test_nft.py."""

from __future__ import annotations

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.port import NftDriver
from tandem.state import nft


def test_the_next_call_fails_once_and_changes_nothing() -> None:
    fake: NftDriver = FakeNft()
    assert isinstance(fake, FakeNft)
    fake.fail_next(DriverError("table locked"))
    with pytest.raises(DriverError, match="table locked"):
        fake.apply(plan(None, nft.ruleset()))
    assert fake.read() is None
    fake.apply(plan(None, nft.ruleset()))
    assert (fake.read(), fake.applied) == (nft.ruleset(), 1)
