"""Options of devices are read back as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.drivers.link import rtnl
from tandem.drivers.link.kinds import OPTIONS, Value, decode, encode


@given(st.integers(1, (1 << 24) - 1), st.integers(1, 65535), st.sampled_from(["192.0.2.1", "2001:db8::1"]))
def test_options_survive_the_way_into_the_kernel_and_back(vni: int, port: int, local: str) -> None:
    options: tuple[tuple[str, Value], ...] = (("df", 1), ("dstport", port), ("id", vni), ("local", local))
    data = rtnl.attrs(encode("vxlan", options))
    assert decode("vxlan", data, tuple(name for name, _ in options)) == options


def test_what_is_not_asked_for_or_not_told_is_left_out() -> None:
    data = rtnl.attrs(encode("vxlan", (("id", 7), ("df", 1))))
    assert decode("vxlan", data, ("id", "dstport")) == (("id", 7),)


def test_no_two_options_of_a_kind_share_an_attribute() -> None:
    for options in OPTIONS.values():
        numbers = [n for o in options.values() for n in (o.number, o.number6) if n]
        assert len(numbers) == len(set(numbers))


def test_an_unknown_option_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        encode("vxlan", (("no-such", 1),))
