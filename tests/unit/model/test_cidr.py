"""Prefixes as old objects may hold them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tandem.model.cidr import odd_form, parse_cidr, within


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("010.000.00.0/08", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("FE80:0abc:0:0:0:0:0:0/64", "fe80:abc::/64"),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/8", "::/8"),
    ],
)
def test_what_a_text_means(text: str, network: str) -> None:
    assert parse_cidr(text) == ip_network(network)


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/255.0.0.0", "x/8", "::/129", "::%1/64"]
)
def test_what_is_no_prefix(text: str) -> None:
    assert parse_cidr(text) is None


def test_within_is_of_one_family() -> None:
    four, six = ip_network("0.0.0.0/0"), ip_network("::/0")
    assert within(ip_network("10.0.0.0/8"), four)
    assert within(ip_network("fd00::/8"), six)
    assert not within(four, ip_network("10.0.0.0/8"))
    assert not within(four, six)
    assert not within(six, four)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("10.1.2.3/8", "ambiguous: it is read as '10.0.0.0/8', not '10.1.2.3/32'"),
        ("fd00::1/8", "ambiguous: it is read as 'fd00::/8', not 'fd00::1/128'"),
        ("010.0.0.0/8", "no standard form, and newer API servers refuse it: write '10.0.0.0/8'"),
        ("::ffff:10.0.0.0/104", "no standard form, and newer API servers refuse it: write '10.0.0.0/8'"),
        ("FD00:0::/8", "not in canonical form: write 'fd00::/8'"),
    ],
)
def test_what_is_odd_about_a_prefix(text: str, word: str) -> None:
    assert word in odd_form(text)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "fd00::/8", "x"])
def test_what_is_not_odd(text: str) -> None:
    assert odd_form(text) == ""
