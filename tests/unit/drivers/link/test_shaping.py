"""Token buckets as messages: what is sent for a rate and a burst."""

from __future__ import annotations

import struct

import pytest

from tandem.drivers.link import rtnl
from tandem.drivers.link.rtnl import Message
from tandem.drivers.link.shaping import LARGEST, TCA_OPTIONS, TCA_TBF_BURST, TCA_TBF_PARMS, TCA_TBF_RATE64, token_bucket


def options(message: Message) -> dict[int, bytes]:
    return rtnl.attrs(rtnl.attrs(message.body[rtnl.QDISC.size :])[TCA_OPTIONS])


def number(data: bytes) -> int:
    found: int = struct.unpack("=I", data)[0]
    return found


def test_rates_and_bursts_in_bits_are_octets_in_the_kernel() -> None:
    found = options(token_bucket(3, rate=8_000_000, burst=80_000, mtu=1500))
    assert number(found[TCA_TBF_PARMS][8:12]) == 1_000_000
    assert number(found[TCA_TBF_BURST]) == 10_000


def test_a_burst_holds_at_least_one_frame_or_nothing_would_pass() -> None:
    assert number(options(token_bucket(3, rate=8_000, burst=8, mtu=1500))[TCA_TBF_BURST]) == 1518


def test_the_burst_that_containerd_sends_for_no_limit_fits() -> None:
    assert number(options(token_bucket(3, rate=8_000, burst=0xFFFFFFFF, mtu=1500))[TCA_TBF_BURST]) == 0xFFFFFFFF // 8


@pytest.mark.parametrize(("rate", "wide"), [(8 * LARGEST, False), (8 * LARGEST + 8, True)])
def test_rates_beyond_32_bits_have_an_attribute_of_their_own(rate: int, *, wide: bool) -> None:
    assert (TCA_TBF_RATE64 in options(token_bucket(3, rate=rate, burst=8_000, mtu=1500))) == wide


def test_a_kernel_without_token_buckets_is_told_by_its_option() -> None:
    assert "CONFIG_NET_SCH_TBF" in token_bucket(3, rate=8, burst=8, mtu=1500).what
