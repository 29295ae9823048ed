"""What only the fake can do: fail when told to."""

from __future__ import annotations

import pytest

from tandem.drivers.dns.fake import FakeDns
from tandem.drivers.dns.port import DnsError
from unit.drivers.dns.running import run


def test_it_fails_once_when_told_to() -> None:
    driver = FakeDns()
    driver.fail_next(DnsError("no memory"))
    with pytest.raises(DnsError, match="no memory"):
        run(driver.read())
    assert run(driver.read()) == driver.held
