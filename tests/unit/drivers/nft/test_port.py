"""Both drivers have the port's form."""

from __future__ import annotations

from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.port import NftDriver
from tandem.drivers.nft.real import Libnftables


def test_both_drivers_fit_the_port() -> None:
    drivers: list[NftDriver] = [FakeNft(), Libnftables()]
    assert [d.read() for d in drivers] == [None, None]
