"""Addresses of the pool: given, kept, honoured when asked for, given back."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import msgspec
import pytest

from builders import service, world
from tandem.cluster.loadbalancers import assign_balancers, parse_pool
from tandem.model import core

POOL = IPv4Network("192.0.2.0/30")


def balanced(name: str, held: str = "", **spec: Any) -> core.Service:
    made = service(name, **{"type": "LoadBalancer", **spec})
    ingress = (core.IngressAddress(ip=held),) if held else ()
    return msgspec.structs.replace(
        made, status=core.ServiceStatus(load_balancer=core.LoadBalancerStatus(ingress=ingress))
    )


def given(*services: core.Service) -> dict[str, str]:
    found = assign_balancers(world(*services), POOL)
    return {p.name: "".join(i["ip"] for i in p.patch["status"]["loadBalancer"]["ingress"]) for p in found}


def test_each_service_gets_an_address_of_its_own() -> None:
    assert given(balanced("a"), balanced("b")) == {"a": "192.0.2.1", "b": "192.0.2.2"}


def test_without_a_pool_or_for_other_types_nothing_is_written() -> None:
    assert assign_balancers(world(balanced("a")), None) == ()
    assert given(service("a"), balanced("b", loadBalancerClass="example.com/other")) == {}


def test_an_address_stays_and_a_newcomer_takes_nothing_away() -> None:
    assert given(balanced("a"), balanced("b", "192.0.2.1")) == {"a": "192.0.2.2"}


def test_an_address_that_is_asked_for_is_honoured_where_it_is_free() -> None:
    assert given(balanced("a", loadBalancerIP="192.0.2.2")) == {"a": "192.0.2.2"}
    assert given(balanced("a", "192.0.2.1", loadBalancerIP="192.0.2.2")) == {"a": "192.0.2.2"}
    assert given(balanced("a", loadBalancerIP="192.0.2.1"), balanced("b", "192.0.2.1")) == {}
    assert given(balanced("a", loadBalancerIP="198.51.100.1")) == {}


def test_a_full_pool_leaves_the_rest_waiting() -> None:
    assert given(balanced("a"), balanced("b"), balanced("c")) == {"a": "192.0.2.1", "b": "192.0.2.2"}


def test_an_address_is_given_back_with_the_type() -> None:
    assert given(balanced("a", "192.0.2.1", type="ClusterIP")) == {"a": ""}


def test_a_pool_that_is_no_network_is_named() -> None:
    assert parse_pool("192.0.2.0/30") == POOL
    with pytest.raises(ValueError, match=r"192\.0\.2\.1/24: no IPv4 network for --lb-pool"):
        parse_pool("192.0.2.1/24")
