"""What the real one does on a kernel: tests/contract/test_announcer.py, tests/netns/test_announce_kernel.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.announce.real import KernelAnnouncer


def test_a_namespace_that_is_not_there_is_a_refusal_by_name() -> None:
    with pytest.raises(DriverError, match=r"^addresses of load balancers: No such file"):
        asyncio.run(KernelAnnouncer("/run/netns/tandem-none").owned())
