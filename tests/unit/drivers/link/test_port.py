"""What a driver may refuse, and what it owns."""

from __future__ import annotations

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.link.port import LinkDriver, LinkExistsError, NetnsError, Owned
from tandem.drivers.link.real import KernelLinks


def test_every_refusal_is_a_driver_error() -> None:
    assert issubclass(LinkExistsError, DriverError)
    assert issubclass(NetnsError, DriverError)


def test_owning_nothing_is_false() -> None:
    assert not Owned()
    assert Owned(pins=(ContainerId("c1"),))


def test_fake_and_real_are_both_link_drivers() -> None:
    kinds: list[type[LinkDriver]] = [FakeLinks, KernelLinks]
    assert len(kinds) == 2
