"""The executed plugin with an agent that gives addresses of both families: result, packets, CHECK, no half."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns.cnilab import Node, dial, running
from netns.podlab import ip
from tandem.base.netns import in_netns

pytestmark = pytest.mark.root

PREFIX = "fd00:10:244::/126"
"""Room for two pods, less than the prefix of IPv4 has."""
DAMAGE = {
    "address del {six}/128 dev eth0": "lacks the address",
    "-6 route del default": "lacks the default route by fe80::1",
    "-6 neigh del fe80::1 dev eth0": "lacks the permanent neighbour fe80::1",
}
AT_NODE = {
    "-6 route del {six} dev {host}": "lacks the route to {six}",
    "-6 neigh del {six} dev {host}": "lacks the permanent neighbour {six}",
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path, PREFIX) as made:
        yield made


def serving(netns: str) -> socket.socket:
    server = in_netns(netns, lambda: socket.create_server(("::", 80), family=socket.AF_INET6))
    server.settimeout(20)
    return server


def test_a_pod_has_an_address_of_each_family_in_every_version_of_the_specification(node: Node) -> None:
    for container, version in (("one", "1.1.0"), ("two", "0.3.1")):
        netns = node.spaces.add(container)
        answer = node.cni("ADD", container, netns, cniVersion=version).answer
        four, six = answer["ips"]
        assert (four["address"].partition("/")[2], six["address"].partition("/")[2]) == ("32", "128")
        assert (four["gateway"], six["gateway"]) == ("169.254.1.1", "fe80::1")
        assert [route["dst"] for route in answer["routes"]] == ["0.0.0.0/0", "::/0"]
        assert [i.get("version") for i in (four, six)] == ([None, None] if version == "1.1.0" else ["4", "6"])
        assert node.cni("CHECK", container, netns, prevResult=answer, cniVersion="1.1.0").status == 0


def test_pods_and_node_meet_over_ipv6_at_once(node: Node) -> None:
    (one, _, first), (two, _, second) = node.add("one"), node.add("two")
    own, other = (result["ips"][1]["address"].removesuffix("/128") for result in (first, second))
    with serving(two) as server:
        for netns, client in ((one, own), (node.netns, "fd00:10:244::1")):
            dial(netns, other)
            connection, (who, *_) = server.accept()
            connection.close()
            assert who == client


def test_where_one_family_is_used_up_nothing_is_given_of_the_other(node: Node) -> None:
    node.add("one")
    node.add("two")
    netns = node.spaces.add("three")
    before = len(node.traces())
    done = node.cni("ADD", "three", netns)
    assert done.code == 101
    assert "fd00:10:244::/126" in done.answer["msg"]
    assert len(node.traces()) == before
    assert "eth0" not in ip(netns, "link")
    again = node.cni("ADD", "three", netns, runtimeConfig={"ips": ["10.244.0.9", "fd00:10:244::2"]})
    assert again.code == 104
    assert len(node.traces()) == before


def test_both_addresses_may_be_asked_for(node: Node) -> None:
    netns = node.spaces.add("one")
    done = node.cni("ADD", "one", netns, runtimeConfig={"ips": ["fd00:10:244::3", "10.244.0.9"]})
    assert [i["address"] for i in done.answer["ips"]] == ["10.244.0.9/32", "fd00:10:244::3/128"]


@pytest.mark.parametrize(("command", "words"), [*DAMAGE.items(), *AT_NODE.items()])
def test_damage_to_what_a_pod_has_of_ipv6_is_named_by_check(node: Node, command: str, words: str) -> None:
    netns, _, result = node.add("one")
    assert node.cni("CHECK", "one", netns, prevResult=result).status == 0  # what differs before is a later plugin's
    where = {"six": result["ips"][1]["address"].removesuffix("/128"), "host": result["interfaces"][0]["name"]}
    ip(node.netns if command in AT_NODE else netns, *command.format(**where).split())
    done = node.cni("CHECK", "one", netns, prevResult=result)
    assert done.code == 103
    assert words.format(**where) in done.answer["msg"] + done.answer["details"]


def test_del_leaves_nothing_of_either_family(node: Node) -> None:
    netns, _, _ = node.add("one")
    assert node.cni("DEL", "one", netns).status == 0
    assert node.traces() == []
    assert ip(node.netns, "-6", "route", "show", "dev", "lo").count("unreachable") <= 1
    assert "116" not in ip(netns, "-6", "rule")
    assert "eth0" not in ip(netns, "link")
