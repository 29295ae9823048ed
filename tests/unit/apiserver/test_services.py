"""Service addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apiserver.services import AddressError, renamed, used, with_address
from tandem.cluster.networks import ServiceNetwork

NONE: frozenset[str] = frozenset()
DNS_ADDRESS = "10.96.0.10"
DUAL = ServiceNetwork.parse("10.96.0.0/16,fd00:10:96::/112")
SIX = ServiceNetwork.parse("fd00:10:96::/112")


def test_the_lowest_free_address_is_given() -> None:
    assert with_address({}, None, NONE)["clusterIP"] == "10.96.0.16"
    assert with_address({}, None, frozenset({"10.96.0.16"}))["clusterIPs"] == ["10.96.0.17"]


def test_a_requested_address_is_honoured_if_free() -> None:
    assert with_address({"clusterIP": "10.96.7.7"}, None, NONE)["clusterIPs"] == ["10.96.7.7"]
    with pytest.raises(AddressError, match="another Service"):
        with_address({"clusterIP": "10.96.7.7"}, None, frozenset({"10.96.7.7"}))
    with pytest.raises(AddressError, match="not in the service network"):
        with_address({"clusterIP": "10.0.0.1"}, None, NONE)


def test_the_dns_address_is_reserved() -> None:
    with pytest.raises(AddressError, match="reserved for DNS"):
        with_address({"clusterIP": DNS_ADDRESS}, None, NONE)
    assert with_address({"clusterIP": DNS_ADDRESS}, None, NONE, dns=True)["clusterIP"] == DNS_ADDRESS


def test_headless_services_have_none_and_hold_none() -> None:
    spec = with_address({"clusterIP": "None"}, None, NONE)
    assert spec["clusterIPs"] == ["None"]
    assert used([spec, {"clusterIP": "10.96.0.20"}]) == {"10.96.0.20"}


def test_an_address_stays_through_updates_and_may_not_be_changed() -> None:
    old = with_address({}, None, NONE)
    assert with_address({"selector": {"a": "b"}}, old, NONE)["clusterIP"] == old["clusterIP"]
    with pytest.raises(AddressError, match="may not be changed"):
        with_address({"clusterIP": "10.96.1.1"}, old, NONE)


def test_an_external_name_has_no_address() -> None:
    assert with_address({"type": "ExternalName", "externalName": "a.b", "clusterIP": ""}, None, NONE) == {
        "type": "ExternalName",
        "externalName": "a.b",
    }


@pytest.mark.parametrize(
    ("body", "old"),
    [
        ({"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.16"}}, {"clusterIP": "10.96.0.16"}),
        ({"spec": {"type": "ExternalName", "clusterIP": "10.96.0.17"}}, {"clusterIP": "10.96.0.16"}),
        ({"spec": {"type": "ExternalName", "clusterIP": "x"}}, {"type": "ExternalName", "clusterIP": "x"}),
        ({"spec": {"type": "ExternalName", "ports": [7, {"port": 80, "nodePort": 30001}]}}, {}),
        ({"spec": 7}, {}),
        (7, {}),
    ],
)
def test_what_was_changed_and_what_is_no_change_of_type_stays(body: Any, old: dict[str, Any]) -> None:
    assert renamed(body, {"spec": old}) == body


def dual(spec: dict[str, Any], old: dict[str, Any] | None = None, *taken: str) -> dict[str, Any]:
    return with_address(spec, old, frozenset(taken), network=DUAL)


def test_a_service_of_both_families_has_an_address_of_each_in_its_own_order() -> None:
    assert dual({"ipFamilyPolicy": "PreferDualStack"})["clusterIPs"] == ["10.96.0.16", "fd00:10:96::10"]
    spec = dual({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, None, "fd00:10:96::10")
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("fd00:10:96::11", ["fd00:10:96::11", "10.96.0.16"])
    assert spec["ipFamilies"] == ["IPv6", "IPv4"]


def test_half_of_what_was_asked_for_is_given_where_the_other_half_is_taken_to_nobody() -> None:
    asked = {"clusterIP": "10.96.7.7", "clusterIPs": ["10.96.7.7", "fd00:10:96::7"]}
    assert dual(asked)["clusterIPs"] == asked["clusterIPs"]
    with pytest.raises(AddressError, match=r"spec.clusterIPs\[1\]: fd00:10:96::7 belongs to another"):
        dual(asked, None, "fd00:10:96::7")


def test_the_second_address_comes_and_goes_with_the_policy() -> None:
    one = dual({})
    both = dual({**one, "ipFamilyPolicy": "PreferDualStack"}, one)
    assert both["clusterIPs"] == ["10.96.0.16", "fd00:10:96::10"]
    assert dual({"selector": {"a": "b"}}, both)["clusterIPs"] == both["clusterIPs"]
    back = dual({**both, "ipFamilyPolicy": "SingleStack"}, both)
    assert (back["clusterIPs"], back["ipFamilies"]) == (["10.96.0.16"], ["IPv4"])
    with pytest.raises(AddressError, match="is released by ipFamilyPolicy SingleStack only"):
        dual({**both, "clusterIPs": ["10.96.0.16"]}, both)


def test_neither_address_may_be_changed() -> None:
    both = dual({"ipFamilyPolicy": "PreferDualStack"})
    with pytest.raises(AddressError, match=r"spec.clusterIPs\[1\]: may not be changed"):
        dual({**both, "clusterIPs": ["10.96.0.16", "fd00:10:96::99"]}, both)
    with pytest.raises(AddressError, match=r"spec.clusterIPs\[0\]: must match"):
        dual({**both, "clusterIPs": ["10.96.0.99", "fd00:10:96::10"]}, both)


def test_several_addresses_need_the_first_as_cluster_ip_too() -> None:
    with pytest.raises(AddressError, match="must be empty when `clusterIP` is not specified"):
        dual({"clusterIPs": ["10.96.0.20"]})


def test_a_cluster_of_ipv6_alone_gives_ipv6() -> None:
    spec = with_address({}, None, NONE, network=SIX)
    assert (spec["clusterIPs"], spec["ipFamilies"]) == (["fd00:10:96::10"], ["IPv6"])


def test_addresses_of_both_families_are_held() -> None:
    assert used([dual({"ipFamilyPolicy": "PreferDualStack"})]) == {"10.96.0.16", "fd00:10:96::10"}


def test_a_small_network_is_used_to_its_end() -> None:
    small = ServiceNetwork.parse("10.96.0.0/28")
    taken: set[str] = set()
    for _ in range(10):
        taken.add(with_address({}, None, frozenset(taken), network=small)["clusterIP"])
    assert taken == {f"10.96.0.{n}" for n in range(4, 15) if n != 10}
    with pytest.raises(AddressError, match="no address is left"):
        with_address({}, None, frozenset(taken), network=small)
