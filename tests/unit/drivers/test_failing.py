"""A failure that is ordered comes once."""

from __future__ import annotations

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.failing import Failing


def test_the_next_call_fails_and_no_other() -> None:
    fake = Failing()
    fake.may_fail()
    fake.fail_next(DriverError("no room"))
    with pytest.raises(DriverError, match="no room"):
        fake.may_fail()
    fake.may_fail()
