"""The result of ADD in each version of the specification."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from attaching import attachment
from tandem.base.ids import ContainerId
from tandem.compile.links import compile_pod_link
from tandem.podnet.request import Code, VerbError
from tandem.podnet.results import Names, add_result, against_previous
from tandem.state.links import HostSide

HOST = HostSide(node="node-1", sources=("10.244.0.1",), mtu=1400)
LINK = compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5",), host=HOST)
ATTACHMENT = attachment(
    "c1", *LINK.addresses, namespace="shop", pod_name="web", mac=LINK.mac, host_ifname=LINK.host_ifname, mtu=1400
)


def result(version: str) -> dict[str, Any]:
    return add_result(
        ATTACHMENT, LINK, names=Names(dns_addresses=("10.96.0.10",), cluster_domain="cluster.local"), version=version
    )


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_every_version_names_itself_and_has_mac_sandbox_and_interface_index(version: str) -> None:
    found = result(version)
    assert found["cniVersion"] == version
    assert found["interfaces"][found["ips"][0]["interface"]]["sandbox"] == "/ns"
    assert all(interface["mac"] for interface in found["interfaces"])


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_old_versions_say_the_family(version: str) -> None:
    assert result(version)["ips"][0]["version"] == "4"


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_new_versions_do_not_say_the_family(version: str) -> None:
    assert "version" not in result(version)["ips"][0]


def test_only_the_newest_version_says_the_mtu() -> None:
    assert [i.get("mtu") for i in result("1.1.0")["interfaces"]] == [1400, 1400]
    assert [i.get("mtu") for i in result("1.0.0")["interfaces"]] == [None, None]


def test_the_default_route_and_dns_are_told() -> None:
    found = result("1.1.0")
    assert found["routes"] == [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]
    assert found["dns"]["search"] == ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]


DUAL_HOST = HostSide(node="node-1", sources=("10.244.0.1", "fd00:10:244::1"), mtu=1400)


def dual(version: str, *addresses: str) -> dict[str, Any]:
    link = compile_pod_link(ContainerId("c1"), "eth0", addresses=addresses, host=DUAL_HOST)
    attachment = msgspec.structs.replace(ATTACHMENT, addresses=addresses)
    found = add_result(attachment, link, names=Names(dns_addresses=(), cluster_domain="cluster.local"), version=version)
    assert against_previous(attachment, link, found) == ()
    return found


def test_both_families_have_an_address_with_their_own_length_and_gateway_and_a_default_route() -> None:
    found = dual("1.1.0", "10.244.0.5", "fd00:10:244::5")
    assert found["ips"] == [
        {"address": "10.244.0.5/32", "gateway": "169.254.1.1", "interface": 1},
        {"address": "fd00:10:244::5/128", "gateway": "fe80::1", "interface": 1},
    ]
    assert found["routes"] == [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}, {"dst": "::/0", "gw": "fe80::1"}]
    assert [ip["version"] for ip in dual("0.4.0", "10.244.0.5", "fd00:10:244::5")["ips"]] == ["4", "6"]


def test_a_pod_of_ipv6_alone_has_nothing_of_ipv4() -> None:
    found = dual("1.1.0", "fd00:10:244::5")
    assert [ip["address"] for ip in found["ips"]] == ["fd00:10:244::5/128"]
    assert found["routes"] == [{"dst": "::/0", "gw": "fe80::1"}]


def test_an_address_that_the_previous_result_lacks_is_named_in_either_family() -> None:
    previous = dual("1.1.0", "10.244.0.5")
    link = compile_pod_link(ContainerId("c1"), "eth0", addresses=("10.244.0.5", "fd00:10:244::5"), host=DUAL_HOST)
    attachment = msgspec.structs.replace(ATTACHMENT, addresses=link.addresses)
    found = against_previous(attachment, link, previous)
    assert found == ("prevResult.ips: no fd00:10:244::5/128, which is ours",)


def test_our_own_result_does_not_differ() -> None:
    assert against_previous(ATTACHMENT, LINK, result("1.1.0")) == ()


def test_a_mac_address_that_a_later_plugin_changed_is_no_difference() -> None:
    changed = result("1.1.0")
    changed["interfaces"][1]["mac"] = "02:00:00:00:00:00"
    assert against_previous(ATTACHMENT, LINK, changed) == ()


@pytest.mark.parametrize(
    ("previous", "path"),
    [
        ({"interfaces": 3}, "prevResult.interfaces"),
        ({"interfaces": [3]}, "prevResult.interfaces"),
        ({"ips": 3}, "prevResult.ips"),
    ],
)
def test_what_is_no_result_is_code_7_and_named_by_its_path(previous: dict[str, Any], path: str) -> None:
    with pytest.raises(VerbError, match=f"{path}: a list of objects, not") as caught:
        against_previous(ATTACHMENT, LINK, previous)
    assert caught.value.code is Code.BAD_CONFIG


@pytest.mark.parametrize("previous", [{}, {"interfaces": None, "ips": None}])
def test_what_is_missing_is_named(previous: dict[str, Any]) -> None:
    found = against_previous(ATTACHMENT, LINK, previous)
    assert len(found) == 3
    assert "prevResult.interfaces: no eth0" in found[0]
