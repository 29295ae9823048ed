"""Which sets and maps are made by our own hand; that the kernel takes them as meant is a contract test."""

from __future__ import annotations

import struct

import pytest

from tandem.drivers.nft.containers import container_messages
from tandem.drivers.nft.plan import AddChain, AddContainer, DeleteContainer
from tandem.state import nft

PLAIN = (
    nft.Set(name="x", type=("ipv4_addr",)),
    nft.Set(name="x", type=("ipv6_addr",)),
    nft.Map(name="x", type=("ipv4_addr",)),
    nft.Map(name="x", type=("ipv6_addr",), data=("counter",)),
)


@pytest.mark.parametrize("declared", PLAIN)
def test_those_of_addresses_are(declared: nft.Set | nft.Map) -> None:
    for operation, kind in ((AddContainer(declared), 9), (DeleteContainer(declared), 11)):
        found = container_messages(operation, "tandem", "inet")
        assert found is not None
        (message,) = found
        assert struct.unpack_from("=IBB", message)[1:] == (kind, 10)
        assert b"tandem\0" in message
        assert b"x\0" in message


@pytest.mark.parametrize(
    "declared",
    [
        nft.Set(name="x", type=("ipv4_addr",), interval=True),
        nft.Set(name="x", type=("ifname", "ipv4_addr")),
        nft.Map(name="x", type=("inet_proto", "inet_service")),
        nft.Map(name="x", type=("ipv4_addr",), data=("mark",), dynamic=99),
        nft.Map(name="x", type=("ipv4_addr",), data=("ipv4_addr", "inet_service")),
    ],
)
def test_all_others_are_left_to_libnftables(declared: nft.Set | nft.Map) -> None:
    assert container_messages(AddContainer(declared), "tandem", "inet") is None
    assert container_messages(DeleteContainer(declared), "tandem", "inet") is None
    assert container_messages(AddChain("x", None), "tandem", "inet") is None
