"""rtnetlink messages as bytes, and a batch against the kernel's own loopback."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.drivers.link import rtnl
from tandem.drivers.link.rtnl import RouteSpec


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=40), max_size=8))
def test_attributes_are_read_back_as_they_were_written(wanted: dict[int, bytes]) -> None:
    data = b"".join(rtnl.attr(kind, value) for kind, value in wanted.items())
    assert len(data) % 4 == 0
    assert rtnl.attrs(data) == wanted


@given(st.binary(max_size=60))
def test_broken_attributes_end_the_reading(data: bytes) -> None:
    assert isinstance(rtnl.attrs(data), dict)


def test_everything_we_add_carries_our_mark() -> None:
    mark = bytes([116])
    assert rtnl.attrs(rtnl.address("10.0.0.1", 1, add=True).body[8:])[rtnl.IFA_PROTO] == mark
    assert rtnl.attrs(rtnl.mark_rule(1, 116, version=4, add=True).body[12:])[rtnl.FRA_PROTOCOL] == mark
    assert rtnl.route(RouteSpec(prefix="10.0.0.0/8"), add=True).body[5] == 116


@pytest.mark.parametrize(
    ("spec", "scope"),
    [
        (RouteSpec(prefix="10.0.0.0/8", via="10.0.0.1"), rtnl.SCOPE_GLOBAL),
        (RouteSpec(prefix="10.0.0.1/32", dev=3), rtnl.SCOPE_LINK),
        (RouteSpec(prefix="10.0.0.0/8", type=rtnl.RTN_UNREACHABLE), rtnl.SCOPE_GLOBAL),
        (RouteSpec(prefix="0.0.0.0/0", dev=1, type=rtnl.RTN_LOCAL), rtnl.SCOPE_HOST),
    ],
)
def test_the_scope_of_a_route_follows_from_its_kind(spec: RouteSpec, scope: int) -> None:
    assert rtnl.route(spec, add=True).body[6] == scope


def test_a_kernel_without_ipv6_is_asked_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rtnl.versions() == (4, 6)
    monkeypatch.setattr(rtnl, "_IF_INET6", tmp_path / "none")
    assert rtnl.versions() == (4,)


def test_an_address_of_ipv6_is_usable_at_once_and_makes_no_route_to_its_prefix() -> None:
    body = rtnl.address("fd00::5", 3, add=True).body
    assert body[:2] == bytes([10, 128])
    assert rtnl.attrs(body[8:])[rtnl.IFA_FLAGS] == rtnl.u32(0x02 | 0x200)


@pytest.mark.parametrize("address", ["10.244.0.5", "fd00:10:244::5", "::1"])
def test_addresses_are_read_back_as_they_were_written(address: str) -> None:
    assert rtnl.ip_text(rtnl.ip_bytes(address)) == address


def test_a_default_route_has_no_destination() -> None:
    body = rtnl.route(RouteSpec(prefix="0.0.0.0/0", via="10.0.0.1"), add=True).body
    assert rtnl.RTA_DST not in rtnl.attrs(body[12:])


def test_a_mac_address_is_six_bytes() -> None:
    assert rtnl.mac_bytes("02:00:00:00:00:ff") == b"\x02\0\0\0\0\xff"
    assert struct.unpack("=I", rtnl.u32(116)) == (116,)
