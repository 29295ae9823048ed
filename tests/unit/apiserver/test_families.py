"""Families of Services: cases of the Kubernetes page "IPv4/IPv6 dual-stack", and what the API server refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apiserver.families import FamilyError, settle

BOTH, FOUR = (4, 6), (4,)
SELECTED = {"selector": {"app": "web"}}


def settled(spec: dict[str, Any], old: dict[str, Any] | None = None, available: tuple[int, ...] = BOTH) -> str:
    found = settle({**SELECTED, **spec}, old, available)
    return f"{found.policy} {' '.join(found.names)}"


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({}, "SingleStack IPv4"),
        ({"ipFamilyPolicy": "PreferDualStack"}, "PreferDualStack IPv4 IPv6"),
        ({"ipFamilies": ["IPv6"]}, "SingleStack IPv6"),
        ({"ipFamilies": ["IPv6", "IPv4"]}, "RequireDualStack IPv6 IPv4"),
        ({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6"]}, "PreferDualStack IPv6 IPv4"),
        ({"clusterIP": "fd00::1", "clusterIPs": ["fd00::1"]}, "SingleStack IPv6"),
        ({"clusterIPs": ["fd00::1", "10.96.0.1"]}, "RequireDualStack IPv6 IPv4"),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, "SingleStack IPv4"),
        ({"clusterIP": "None", "selector": None}, "RequireDualStack IPv4 IPv6"),
        ({"clusterIP": "None", "selector": None, "ipFamilyPolicy": "SingleStack"}, "SingleStack IPv4"),
    ],
)
def test_what_is_not_said_follows_from_what_is(spec: dict[str, Any], wanted: str) -> None:
    assert settled(spec) == wanted


def test_in_a_cluster_of_one_family_what_is_preferred_is_not_required() -> None:
    assert settled({"ipFamilyPolicy": "PreferDualStack"}, available=FOUR) == "PreferDualStack IPv4"
    headless = {"clusterIP": "None", "selector": None}
    assert settled(headless, available=FOUR) == "RequireDualStack IPv4 IPv6"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"ipFamilyPolicy": "RequireDualStack"}, "spec.ipFamilyPolicy: this cluster is not configured"),
        ({"ipFamilies": ["IPv6"]}, r"spec.ipFamilies\[0\]: IPv6 is not configured"),
        ({"ipFamilies": ["IPv5"]}, r"spec.ipFamilies\[0\]: 'IPv5' is none of"),
        ({"ipFamilies": ["IPv4", "IPv4"]}, r"spec.ipFamilies\[1\]: IPv4 is there twice"),
        ({"ipFamilyPolicy": "Both"}, "spec.ipFamilyPolicy: 'Both' is none of"),
        ({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}, "when there are several ipFamilies"),
        ({"ipFamilyPolicy": "SingleStack", "clusterIPs": ["10.0.0.1", "fd00::1"]}, "when there are several clusterIPs"),
        ({"ipFamilies": ["IPv4"], "clusterIPs": ["fd00::1"]}, r"spec.clusterIPs\[0\]: fd00::1 is no IPv4 address"),
        ({"clusterIPs": ["10.0.0.1", "10.0.0.2"]}, "spec.clusterIPs: two addresses are of two families"),
        ({"clusterIPs": ["10.0.0.1", "fd00::1", "10.0.0.2"]}, "one of each family at most"),
    ],
)
def test_what_cannot_be_served_is_refused_at_its_field(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(FamilyError, match=said):
        settled(spec, available=FOUR)


def test_the_first_family_stays_and_the_second_follows_the_policy() -> None:
    one = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "clusterIPs": ["10.0.0.1"]}
    two = {"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack", "clusterIPs": ["10.0.0.1", "fd00::1"]}
    assert settled({}, two) == "PreferDualStack IPv4 IPv6"
    assert settled({**one, "ipFamilyPolicy": "RequireDualStack"}, one) == "RequireDualStack IPv4 IPv6"
    assert settled({**two, "ipFamilyPolicy": "SingleStack"}, two) == "SingleStack IPv4"
    with pytest.raises(FamilyError, match=r"spec.ipFamilies\[0\]: may not be changed"):
        settled({"ipFamilies": ["IPv6"]}, one)
    with pytest.raises(FamilyError, match=r"spec.ipFamilies\[0\]: may not be changed"):
        settled({"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}, two)
