"""What needs no namespace of the real driver; the rest is in tests/contract/test_link_driver.py, as root."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.link.port import NetnsError
from tandem.drivers.link.real import KernelLinks


def test_a_node_namespace_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        links = KernelLinks(tmp_path, node_netns="/no/such")
        with pytest.raises(NetnsError, match="/no/such"):
            await links.list_owned()
        await links.close()

    asyncio.run(main())


def test_a_setting_that_the_kernel_does_not_have_is_a_driver_error(tmp_path: Path) -> None:
    async def main() -> None:
        links = KernelLinks(tmp_path)
        with pytest.raises(DriverError, match="No such file"):
            await links.set_sysctls({"net.ipv4.none_such": "1"})
        await links.close()

    asyncio.run(main())
