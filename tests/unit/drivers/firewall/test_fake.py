from __future__ import annotations

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.firewall.fake import FakeFirewall

TEXT = ["-P FORWARD DROP", "-A FORWARD -i a -j ACCEPT"]


@pytest.mark.parametrize("said", ["-D FORWARD -i b -j ACCEPT", "-I FORWARD 9 -i b -j ACCEPT"])
def test_what_cannot_be_done_changes_nothing(said: str) -> None:
    fake = FakeFirewall()
    fake.lines["nft", 4] = [*TEXT]
    (table,) = fake.read().tables
    with pytest.raises(DriverError):
        fake.change(table, f"*filter\n-I FORWARD 1 -i c -j ACCEPT\n{said}\nCOMMIT\n")
    assert fake.lines["nft", 4] == TEXT


def test_a_failure_changes_nothing_and_is_over() -> None:
    fake = FakeFirewall()
    fake.fail_next(DriverError("busy"))
    with pytest.raises(DriverError, match="busy"):
        fake.read()
    assert fake.read().tables == ()
