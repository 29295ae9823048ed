"""A socket that stays open; what is sent on it is tested against the kernel in tests/contract/test_nft_elements.py."""

from __future__ import annotations

import gc

import pytest

from tandem.drivers.nft import watch_wire
from tandem.drivers.nft.netlink import Netlink

pytestmark = pytest.mark.root


def test_one_socket_answers_one_question_after_the_other() -> None:
    netlink = Netlink()
    numbers = [watch_wire.generation(netlink.ask(watch_wire.ask(), bool)[0]) for _ in range(3)]
    assert all(found is not None for found in numbers)
    sock = netlink._sock
    netlink.ask(watch_wire.ask(), bool)
    assert netlink._sock is sock
    netlink.close()


def test_after_a_failure_it_is_opened_anew() -> None:
    netlink = Netlink()
    netlink.ask(watch_wire.ask(), bool)
    with pytest.raises(OSError, match="closed"):
        netlink.ask(watch_wire.ask(), _fails)
    assert netlink._sock is None
    assert netlink.ask(watch_wire.ask(), bool)
    netlink.close()


def _fails(_: list[bytes]) -> bool:
    raise OSError("closed")


def test_it_is_closed_with_its_owner() -> None:
    netlink = Netlink()
    netlink.ask(watch_wire.ask(), bool)
    sock = netlink._sock
    del netlink
    gc.collect()
    assert sock is not None
    assert sock.fileno() == -1
