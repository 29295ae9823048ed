"""Generic netlink as far as every kernel has it: families that are there, and one that may not be."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from tandem.drivers.wireguard.kernel import CONTROL_ID, KernelWireguard, family_id, open_socket
from tandem.drivers.wireguard.port import WireguardError


def test_a_family_is_found_by_its_name() -> None:
    with closing(open_socket()) as sock:
        assert family_id(sock, "nlctrl") == CONTROL_ID


def test_a_family_that_is_not_there_is_refused_by_the_kernel() -> None:
    with closing(open_socket()) as sock, pytest.raises(FileNotFoundError):
        family_id(sock, "no-such")


def test_a_device_that_is_not_there_is_told_by_its_name() -> None:
    with pytest.raises(WireguardError, match="WireGuard of the kernel, wgtdnone: No such"):
        asyncio.run(KernelWireguard("wgtdnone").read())
