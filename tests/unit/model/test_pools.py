from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import yaml

from tandem.model.parse import parse
from tandem.model.pools import LoadBalancerPool, parse_block
from tandem.model.schema import validate


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.0.2.64/28", "192.0.2.65", "192.0.2.78"),
        ("192.0.2.64/31", "192.0.2.64", "192.0.2.65"),
        ("192.0.2.64/32", "192.0.2.64", "192.0.2.64"),
        ("192.0.2.10 - 192.0.2.20", "192.0.2.10", "192.0.2.20"),
        ("2001:db8::/126", "2001:db8::1", "2001:db8::2"),
        ("2001:db8::5-2001:db8::5", "2001:db8::5", "2001:db8::5"),
    ],
)
def test_a_block_is_a_prefix_or_a_range(text: str, first: str, last: str) -> None:
    block = parse_block(text)
    assert (block.first, block.last) == (int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last)))
    assert ipaddress.ip_address(first) in block
    assert ipaddress.ip_address("203.0.113.1") not in block
    assert ipaddress.ip_address("2001:db8:1::1") not in block


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1/24",
        "192.0.2.9-192.0.2.1",
        "192.0.2.1-2001:db8::1",
        "a-b",
        "",
        "-",
        "127.0.0.0/28",
        "223.255.255.250-224.0.0.3",
        "fe80::/64",
    ],
)
def test_what_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_block(text)


def test_a_pool_is_automatic_unless_it_says_otherwise() -> None:
    raw = {"apiVersion": "tandem.io/v1", "kind": "LoadBalancerPool", "metadata": {"name": "p"}}
    made = parse({**raw, "spec": {"addresses": ["192.0.2.64/28"]}})
    assert isinstance(made, LoadBalancerPool)
    assert (made.spec.addresses, made.spec.automatic) == (("192.0.2.64/28",), True)


def test_the_example_is_taken() -> None:
    (raw,) = yaml.safe_load_all((Path(__file__).parents[3] / "examples" / "network" / "pool.yaml").read_text())
    assert validate(raw) == []
    assert [parse_block(text).version for text in raw["spec"]["addresses"]] == [4, 4, 6]
