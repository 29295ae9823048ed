"""Chains of other programs, as the kernel lists them: which of them drop what pods send."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from netns.cnilab import Node, running
from tandem.base.netns import in_netns
from tandem.drivers.nft.barriers import barriers, closes

PODS: Final = ("10.244.0.0/24",)
ACCEPT: Final[dict[str, Any]] = {"accept": None}
BY_LINK: Final[dict[str, Any]] = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "td*"}}
BY_OTHER: Final[dict[str, Any]] = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "docker0"}}
TCP: Final[dict[str, Any]] = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}
COUNTER: Final[dict[str, Any]] = {"counter": {"packets": 1, "bytes": 9}}


def from_prefix(address: str, length: int) -> dict[str, Any]:
    left = {"payload": {"protocol": "ip", "field": "saddr"}}
    return {"match": {"op": "==", "left": left, "right": {"prefix": {"addr": address, "len": length}}}}


@pytest.mark.parametrize(
    ("policy", "rules", "expected"),
    [
        ("accept", [], False),
        ("drop", [], True),
        ("drop", [[BY_OTHER, ACCEPT]], True),
        ("drop", [[BY_LINK, COUNTER, ACCEPT]], False),
        ("drop", [[BY_LINK, TCP, ACCEPT]], True),
        ("drop", [[COUNTER, ACCEPT]], False),
        ("accept", [[{"reject": {"type": "icmpx"}}]], True),
        ("accept", [[BY_LINK, ACCEPT], [{"drop": None}]], False),
        ("accept", [[BY_LINK, {"drop": None}]], True),
        ("drop", [[{"return": None}], [ACCEPT]], True),
        ("drop", [[{"jump": {"target": "lets"}}]], False),
        ("drop", [[{"goto": {"target": "asks"}}], [ACCEPT]], True),
        ("accept", [[{"jump": {"target": "zones"}}], [{"reject": {}}]], False),
        ("accept", [[BY_OTHER, {"jump": {"target": "lets"}}], [{"reject": {}}]], True),
        ("accept", [[{"drop": None}], [BY_LINK, ACCEPT]], True),
        ("drop", [[{"limit": {"rate": 5}}, ACCEPT]], True),
        ("drop", [[{"jump": {"target": "DOCKER-USER"}}]], True),
        ("drop", [[{"xt": {"type": "match"}}, ACCEPT]], True),
        ("drop", [[from_prefix("10.244.0.0", 16), ACCEPT]], False),
        ("drop", [[from_prefix("10.9.0.0", 16), ACCEPT]], True),
    ],
)
def test_what_a_chain_does_with_all_that_pods_send(policy: str, rules: list[Any], expected: bool) -> None:  # noqa: FBT001
    zones = [[from_prefix("10.244.0.0", 16), {"goto": {"target": "lets"}}], [{"goto": {"target": "shuts"}}]]
    chains = {"lets": [[COUNTER], [ACCEPT]], "shuts": [[{"drop": None}]], "asks": [[BY_OTHER, ACCEPT]], "zones": zones}
    assert closes(policy, rules, PODS, chains) is expected


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path) as made:
        yield made


def run(netns: str, *commands: str) -> None:
    for command in commands:
        subprocess.run(["nsenter", f"--net={netns}", "sh", "-ec", command], check=True)


def dials(netns: str, address: str) -> bool:
    """Refused at once is reached."""

    def dial() -> bool:
        try:
            socket.create_connection((address, 9), timeout=1).close()
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
        return True

    return in_netns(netns, dial)


@pytest.mark.root
def test_a_machine_with_docker_is_told_what_to_do_and_that_is_enough(node: Node) -> None:
    """As Docker leaves the hook: a policy, its own chains, and rules for its own bridge."""
    one, _, _ = node.add("one")
    _, two, _ = node.add("two")
    assert dials(one, two)
    assert barriers(PODS, node.netns) == ()
    run(
        node.netns,
        "nft add table ip filter",
        "nft 'add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }'",
        "nft add chain ip filter DOCKER-USER",
        "nft add rule ip filter FORWARD counter jump DOCKER-USER",
        "nft 'add rule ip filter FORWARD iifname docker0 oifname != docker0 counter accept'",
    )
    assert not dials(one, two)
    (found,) = barriers(PODS, node.netns)
    assert found.startswith(
        "the chain FORWARD of table ip filter drops what is forwarded unless a rule there accepts it"
    )
    assert barriers(("fd00::/64",), node.netns) == ()
    run(node.netns, *found.partition("accepts it: ")[2].replace('"td*"', "'\"td*\"'").split("; "))
    assert barriers(PODS, node.netns) == ()
    assert dials(one, two)


@pytest.mark.root
def test_a_machine_that_rejects_what_comes_to_it_is_told(node: Node) -> None:
    """As firewalld has it: zones by source and by link, and a last rule."""
    one, _, _ = node.add("one")
    run(
        node.netns,
        "nft add table inet firewalld",
        "nft 'add chain inet firewalld filter_INPUT { type filter hook input priority 10; policy accept; }'",
        "nft 'add chain inet firewalld filter_INPUT_ZONES'",
        "nft 'add chain inet firewalld filter_IN_trusted'",
        "nft 'add rule inet firewalld filter_IN_trusted accept'",
        "nft 'add rule inet firewalld filter_INPUT ct state established,related accept'",
        "nft 'add rule inet firewalld filter_INPUT jump filter_INPUT_ZONES'",
        "nft 'add rule inet firewalld filter_INPUT reject with icmpx admin-prohibited'",
    )
    (found,) = barriers(PODS, node.netns)
    assert "the chain filter_INPUT of table inet firewalld drops what comes to the node, DNS of pods among it" in found
    assert found.endswith("firewall-cmd --permanent --zone=trusted --add-source=10.244.0.0/24; firewall-cmd --reload")
    assert barriers(PODS, node.netns, besides=[("inet", "firewalld")]) == ()
    run(node.netns, "nft 'add rule inet firewalld filter_INPUT_ZONES ip saddr 10.244.0.0/24 goto filter_IN_trusted'")
    assert barriers(PODS, node.netns) == ()
    assert dials(one, "10.244.0.1")
