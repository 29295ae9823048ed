"""Service addresses."""

from __future__ import annotations

import pytest

from tandem.apiserver.services import DNS_ADDRESS, AddressError, used, with_address

NONE: frozenset[str] = frozenset()


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


def test_one_family_is_served() -> None:
    with pytest.raises(AddressError, match="IPv6 is not served"):
        with_address({"ipFamilies": ["IPv6"]}, None, NONE)
    with pytest.raises(AddressError, match="one address family"):
        with_address({"clusterIPs": ["10.96.0.1", "fd00::1"]}, None, NONE)
