"""Which addresses gateways have."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from gatewayworlds import codes, edge, gateway, gateway_class, pool, route
from tandem.model.world import World
from tandem.translate.balancers import Assignment, assign_addresses
from tandem.translate.gateway import translate_gateways
from tandem.translate.gateway.edge import Edge
from tandem.translate.options import Options

POOL = pool("192.0.2.10-192.0.2.12")


def given(found: Edge, name: str = "edge") -> tuple[str, ...]:
    return found.facts["default", name].addresses


def holding(*addresses: str) -> dict[str, Any]:
    return {"addresses": [{"value": address} for address in addresses]}


def test_each_gateway_has_an_address_of_its_own() -> None:
    found = edge(gateway("a"), gateway("b"), POOL)
    assert {*given(found, "a"), *given(found, "b")} == {"192.0.2.12", "192.0.2.11"}


def test_an_address_stays_also_beside_a_newcomer() -> None:
    found = edge(gateway("a"), gateway("b", status=holding("192.0.2.12")), POOL)
    assert (given(found, "a"), given(found, "b")) == (("192.0.2.11",), ("192.0.2.12",))


def test_who_asks_for_an_address_does_not_take_it_from_a_gateway_that_has_it() -> None:
    asked = [{"value": "192.0.2.12"}]
    asking, held = gateway("a", addresses=asked), holding("192.0.2.12")
    for there in (gateway("b", status=held), gateway("b", status=held, addresses=asked)):
        found = edge(asking, there, POOL)
        assert codes(found) == [("spec.addresses[0]", "AddressNotUsable"), ("spec.addresses", "AddressNotAssigned")]
        assert (list(found.gateways), given(found, "b")) == (["default/b"], ("192.0.2.12",))
    assert given(edge(asking, gateway("b"), POOL), "a") == ("192.0.2.12",)


def test_what_a_service_or_a_node_has_is_not_given_and_the_other_way_round() -> None:
    world = World.of([gateway_class(), gateway("edge"), POOL])
    taken = Assignment(given={("default", "lb"): ("192.0.2.12", "192.0.2.11")})
    assert given(translate_gateways(world, Options(), taken)) == ("192.0.2.10",)
    held = [gateway("edge", status=holding("192.0.2.10")), POOL, service("lb", type="LoadBalancer")]
    assert assign_addresses(World.of(held)).given["default", "lb"] == ("192.0.2.11",)


def test_without_a_pool_it_is_one_of_the_network_of_services_and_that_is_told() -> None:
    found = edge(gateway("edge"))
    assert given(found) == ("10.96.255.253",)
    assert [(p.code, p.severity.value) for p in found.problems] == [("PoolNotFound", "warning")]


def test_of_two_families_it_has_one_address_each() -> None:
    options = Options(service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"))
    found = edge(gateway("edge"), pool("192.0.2.10-192.0.2.12", "2001:db8::10-2001:db8::11"), options=options)
    assert given(found) == ("192.0.2.12", "2001:db8::11")


def test_addresses_that_are_asked_for_are_given_where_a_pool_has_them() -> None:
    asked = [{"type": "IPAddress", "value": "192.0.2.11"}]
    assert given(edge(gateway("edge", addresses=asked), POOL)) == ("192.0.2.11",)
    assert given(edge(gateway("edge", addresses=asked), pool("192.0.2.0/24", automatic=False))) == ("192.0.2.11",)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"type": "IPAddress", "value": "203.0.113.1"}, "AddressNotUsable"),
        ({"type": "IPAddress", "value": "no address"}, "AddressNotUsable"),
        ({"type": "test/fake-invalid-type", "value": "x"}, "UnsupportedAddress"),
        ({"type": "Hostname", "value": "a.test"}, "UnsupportedAddress"),
    ],
)
def test_addresses_that_cannot_be_had_are_told(asked: dict[str, str], code: str) -> None:
    found = edge(gateway("edge", addresses=[{"value": "192.0.2.11"}, asked]), POOL)
    assert codes(found) == [("spec.addresses[1]", code)]
    assert given(found) == ("192.0.2.11",)


def test_an_address_without_a_value_is_chosen() -> None:
    assert given(edge(gateway("edge", addresses=[{"type": "IPAddress"}]), POOL)) == ("192.0.2.12",)


def test_a_pool_that_is_used_up_is_told_and_nothing_is_sent() -> None:
    found = edge(gateway("a"), gateway("b"), route("hr"), pool("192.0.2.10-192.0.2.10"))
    assert codes(found) == [("spec.addresses", "AddressNotAssigned")]
    assert list(found.gateways) == ["default/a"]
