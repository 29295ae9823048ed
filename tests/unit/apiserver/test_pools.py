"""Which pools the API refuses because of what else has addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apiserver.pools import clashes

NODE: dict[str, Any] = {
    "kind": "Node",
    "metadata": {"name": "node-1"},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.0.2.11"}, {"type": "Hostname", "address": "node-1"}]
    },
}


def pods(cidr: str, name: str = "default") -> dict[str, Any]:
    return {"kind": "IPPool", "metadata": {"name": name}, "spec": {"cidr": cidr}}


def balancers(*addresses: str, name: str = "default") -> dict[str, Any]:
    return {"kind": "LoadBalancerPool", "metadata": {"name": name}, "spec": {"addresses": list(addresses)}}


THERE = (pods("10.244.0.0/16"), pods("fd00:244::/56", "six"), balancers("203.0.113.64/28"))


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        (
            pods("10.244.3.0/24", "x"),
            "spec.cidr: 10.244.3.0/24 has addresses of 10.244.0.0/16, which IPPool default has already",
        ),
        (pods("fd00::/16", "x"), "spec.cidr: fd00::/16 has addresses of fd00:244::/56, which IPPool six has already"),
        (
            pods("10.96.4.0/24", "x"),
            "spec.cidr: 10.96.4.0/24 has addresses of 10.96.0.0/16, which the network of Services has already",
        ),
        (
            pods("192.0.2.0/24", "x"),
            "spec.cidr: 192.0.2.0/24 has addresses of 192.0.2.11, which node node-1 has already",
        ),
        (
            pods("203.0.113.0/24", "x"),
            "spec.cidr: 203.0.113.0/24 has addresses of 203.0.113.64/28, which LoadBalancerPool default has already",
        ),
        (
            balancers("198.51.100.0/28", "10.244.0.9-10.244.0.10", name="x"),
            "spec.addresses[1]: 10.244.0.9-10.244.0.10 has addresses of 10.244.0.0/16, which IPPool default has",
        ),
    ],
)
def test_a_pool_with_addresses_of_something_else_is_refused(pool: dict[str, Any], said: str) -> None:
    assert any(c.startswith(said) for c in clashes(pool, THERE, services=("10.96.0.0/16",), nodes=(NODE,)))


@pytest.mark.parametrize(
    "pool",
    [
        pods("10.245.0.0/20", "x"),
        pods("fd00:245::/56", "x"),
        balancers("203.0.113.72/29", name="x"),  # each address is given once
        balancers("192.0.2.0/24", name="x"),  # those of nodes are left out when addresses are given
    ],
)
def test_a_pool_apart_is_taken(pool: dict[str, Any]) -> None:
    assert clashes(pool, THERE, services=("10.96.0.0/16",), nodes=(NODE,)) == []
