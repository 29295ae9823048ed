"""Several nodes on one machine; built in namespaces of the test's own."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from alone import alone
from tandem.runtime.underlay import GATEWAY, NETWORK, seats


def test_every_node_has_a_namespace_and_an_address_of_its_own() -> None:
    found = seats(tuple(f"node-{i}" for i in range(1, 33)))
    assert len({s.netns for s in found}) == len({s.addresses for s in found}) == 32
    assert all(IPv4Address(a) in NETWORK and a != GATEWAY for s in found for a in s.addresses)
    assert found[0].netns == "/run/netns/tandem-node-1"


def test_the_addresses_of_a_node_are_in_the_order_of_preference() -> None:
    (seat,) = seats(("node-1",), (6, 4))
    assert seat.addresses == ("fd74:616e:6465:6d00::b", "198.18.116.11")


def _build_and_remove(run_dir: str) -> dict[str, object]:
    import subprocess
    import sys
    from pathlib import Path

    from tandem.runtime import underlay
    from tandem.runtime.kernelstate import difference, picture

    root = Path(run_dir)
    Path("/run/netns").mkdir()
    subprocess.run(["iptables-nft", "-P", "FORWARD", "DROP"], check=True)  # as Docker leaves it
    before = picture(root)
    places = underlay.seats(("node-1", "node-2"), (4, 6))
    underlay.build(places, root)
    dial = "import socket, sys; socket.create_connection((sys.argv[1], 9), 5)"
    inside = ["ip", "netns", "exec", "tandem-node-1", sys.executable, "-c", dial]
    reached = [
        "ConnectionRefusedError"
        in subprocess.run([*inside, address], check=False, capture_output=True, text=True).stderr
        for address in (*places[1].addresses, underlay.GATEWAY, str(underlay.NETWORK6[1]))
    ]
    forwards = [Path(f"/proc/sys/net/{s}").read_text() for s in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
    existed = underlay.exists()
    chain = subprocess.run(["iptables-nft", "-S", "FORWARD"], check=True, capture_output=True, text=True).stdout
    removed = underlay.remove(root)
    (root / "ip_forward").unlink()
    (root / "ip6_forward").unlink()
    after = difference(before, picture(root))
    return {
        "reached": reached,
        "forwards": forwards,
        "existed": existed,
        "let": [line.partition(" -m ")[0] for line in chain.splitlines()],
        "removed": removed,
        "left": [line for line in after if "mounts" not in line],
        "again": underlay.remove(root),
        "exists": underlay.exists(),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return alone(_build_and_remove, str(tmp_path_factory.mktemp("run")))


@pytest.mark.root
def test_nodes_reach_each_other_and_the_machine(told: Any) -> None:
    assert told["reached"] == [True] * 4
    assert told["forwards"] == ["1\n", "1\n"]
    assert told["existed"]


@pytest.mark.root
def test_beside_docker_nodes_are_let_through(told: Any) -> None:
    assert told["let"] == ["-P FORWARD DROP", "-A FORWARD -i tandem-ul", "-A FORWARD -o tandem-ul"]


@pytest.mark.root
def test_removing_leaves_the_kernel_as_it_was(told: Any) -> None:
    assert told["removed"] == [
        "table inet tandem-underlay",
        "link tandem-ul",
        "link tdul0",
        "link tdul1",
        "rules of chain FORWARD of iptables-nft",
        "namespace tandem-node-1",
        "namespace tandem-node-2",
    ]
    assert told["left"] == []


@pytest.mark.root
def test_removing_again_removes_nothing(told: Any) -> None:
    assert told["again"] == []
    assert not told["exists"]


def _build_twice(run_dir: str) -> str:
    from pathlib import Path

    from tandem.base.problems import DriverError
    from tandem.runtime import underlay

    underlay.build(underlay.seats(("node-1",)), Path(run_dir))
    try:
        underlay.build(underlay.seats(("node-1",)), Path(run_dir))
    except DriverError as err:
        return str(err)
    return ""


@pytest.mark.root
def test_a_bridge_that_is_in_the_way_is_told(tmp_path: Path) -> None:
    assert "File exists" in alone(_build_twice, str(tmp_path))
