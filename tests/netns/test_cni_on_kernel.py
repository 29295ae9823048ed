"""The whole way of a pod's network on a real kernel: executed plugin, agent process, packets; and kills on that way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netns.cni_agent import STALLED
from netns.cnilab import Node, answering, dial, running, wait_for
from netns.podlab import ip
from unit.tandem_cni.courier import Done, run

pytestmark = pytest.mark.root


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running(tmp_path) as made:
        yield made


def test_pods_of_a_node_reach_each_other_under_their_own_addresses(node: Node) -> None:
    one, one_address, _ = node.add("one")
    two, two_address, _ = node.add("two")
    with answering(two) as clients:
        dial(one, two_address)
    assert clients == [one_address]


def test_a_node_reaches_its_pods_from_its_own_address_in_the_pod_prefix(node: Node) -> None:
    pod, address, _ = node.add("one")
    with answering(pod) as clients:
        dial(node.netns, address)
    assert clients == ["10.244.0.1"]


def test_a_pod_reaches_its_node(node: Node) -> None:
    pod, address, _ = node.add("one")
    with answering(node.netns) as clients:
        dial(pod, "10.244.0.1")
    assert clients == [address]


def test_an_address_that_no_pod_has_is_unreachable_at_once(node: Node) -> None:
    pod, _, _ = node.add("one")
    with pytest.raises(OSError, match="No route to host"):
        dial(pod, "10.244.0.200")


def test_check_is_fine_after_add_and_names_damage(node: Node) -> None:
    pod, address, result = node.add("one")
    assert node.cni("CHECK", "one", pod, prevResult=result).out == ""
    ip(pod, "neigh", "del", "169.254.1.1", "dev", "eth0")
    ip(node.netns, "route", "del", f"{address}/32")
    done = node.cni("CHECK", "one", pod, prevResult=result)
    assert (done.status, done.code) == (1, 103)
    for what in ("neighbour 169.254.1.1", f"route to {address}"):
        assert what in done.answer["details"]


def test_add_twice_is_refused_and_the_pod_stays_connected(node: Node) -> None:
    pod, _, result = node.add("one")
    assert node.cni("ADD", "one", pod).code == 100
    assert node.cni("CHECK", "one", pod, prevResult=result).status == 0


def test_del_leaves_nothing_and_is_repeatable_without_a_namespace(node: Node) -> None:
    pod, _, _ = node.add("one")
    node.spaces.remove("one")
    for netns in (pod, "", ""):
        done = node.cni("DEL", "one", netns)
        assert (done.status, done.out) == (0, "")
    assert node.traces() == []


def test_del_with_the_namespace_still_there_takes_everything_out_of_it(node: Node) -> None:
    pod, _, _ = node.add("one")
    assert node.cni("DEL", "one", pod).status == 0
    assert "eth0" not in ip(pod, "link")
    assert "116" not in ip(pod, "rule")
    assert node.traces() == []
    assert node.cni("ADD", "one", pod).status == 0


def test_the_result_is_given_in_the_version_asked_for(node: Node) -> None:
    pod = node.spaces.add("old")
    result = node.cni("ADD", "old", pod, cniVersion="0.4.0").answer
    assert result["cniVersion"] == "0.4.0"
    assert result["ips"][0]["version"] == "4"
    assert "mtu" not in result["interfaces"][1]


def test_an_agent_that_is_away_is_try_again_and_the_pod_keeps_its_network(node: Node) -> None:
    pod, address, result = node.add("one")
    node.kill()
    assert node.cni("CHECK", "one", pod, prevResult=result).code == 11
    with answering(pod):
        dial(node.netns, address)
    node.start()
    assert node.cni("CHECK", "one", pod, prevResult=result).status == 0
    assert node.cni("DEL", "one", pod).status == 0


def test_a_link_stays_closed_until_policy_and_proxy_are_in_force(node: Node) -> None:
    pod = node.spaces.add("one")
    node.kill()
    node.start(stall="attached")
    env, config = node.words("ADD", "one", pod)
    courier = threading.Thread(target=lambda: run(node.binary, env, config))
    courier.start()
    wait_for(node.directory / STALLED)
    line = next(line for line in ip(node.netns, "-o", "link").splitlines() if ": td" in line)
    assert ",UP" not in line
    assert "dev td" not in ip(node.netns, "route")
    node.kill()
    courier.join()


def test_many_pods_at_once_get_an_address_each(node: Node) -> None:
    netns = {f"p{n}": node.spaces.add(f"p{n}") for n in range(12)}
    answers: list[Done] = []
    threads = [threading.Thread(target=lambda c=c: answers.append(node.cni("ADD", c, netns[c]))) for c in netns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.out for a in answers if a.status] == []
    assert len({a.answer["ips"][0]["address"] for a in answers}) == 12


def test_a_del_with_the_agent_away_succeeds_and_is_done_before_the_next_add(node: Node) -> None:
    netns, address, _ = node.add("one")
    node.kill()
    assert node.cni("DEL", "one", "").status == 0
    assert node.cni("DEL", "one", "").status == 0
    node.start()
    assert node.traces() == []
    again = node.cni("ADD", "one", netns)
    assert again.status == 0, again.out
    assert again.answer["ips"][0]["address"] != f"{address}/32"
    assert node.cni("CHECK", "one", netns, prevResult=again.answer).status == 0


@pytest.mark.parametrize("step", ["detached", "pin", "create", "open"])
def test_a_queued_del_outlives_an_agent_that_is_killed_again(node: Node, step: str) -> None:
    netns, _, _ = node.add("one")
    node.kill()
    if step == "detached":
        # The courier loses its agent in the middle of DEL: that one is queued as well.
        node.start(step)
        with in_background(node, "DEL", "one", netns) as done:
            wait_for(node.directory / STALLED)
            node.kill()
        assert done[0].status == 0
    else:
        assert node.cni("DEL", "one", netns).status == 0
        node.start(step)
        with in_background(node, "ADD", "one", netns):
            wait_for(node.directory / STALLED)
            node.kill()
    node.start()
    assert node.traces() == []
    assert not list((node.directory / "dels").iterdir())


@contextmanager
def in_background(node: Node, verb: str, container: str, netns: str) -> Iterator[list[Done]]:
    """The verb while something happens to the agent; its end, once the block has ended."""
    done: list[Done] = []
    thread = threading.Thread(target=lambda: done.append(node.cni(verb, container, netns)))
    thread.start()
    try:
        yield done
    finally:
        thread.join()


DAMAGE = {
    "node": {
        "link set {host} mtu 1300": "MTU",
        "link set {host} down": "is down",
        "route del {address} dev {host}": "lacks the route",
        "neigh del {address} dev {host}": "lacks the permanent neighbour",
        "link del {host}": "is missing",
    },
    "pod": {
        "address del {address}/32 dev eth0": "lacks the address",
        "route del default": "lacks the default route",
        "neigh del 169.254.1.1 dev eth0": "lacks the permanent neighbour",
        "link set eth0 mtu 1300": "MTU",
    },
}


@pytest.mark.parametrize(
    ("where", "command", "words"), [(w, c, words) for w, found in DAMAGE.items() for c, words in found.items()]
)
def test_each_kind_of_damage_to_a_link_is_named_by_check(node: Node, where: str, command: str, words: str) -> None:
    netns, address, result = node.add("one")
    host = result["interfaces"][0]["name"]
    assert node.cni("CHECK", "one", netns, prevResult=result).status == 0  # what differs before is a later plugin's
    ip(node.netns if where == "node" else netns, *command.format(host=host, address=address).split())
    done = node.cni("CHECK", "one", netns, prevResult=result)
    assert done.code == 103
    assert words in done.answer["msg"] + done.answer["details"]


@pytest.mark.parametrize("override", [{}, {"CNI_NETNS_OVERRIDE": "TRUE"}], ids=["plain", "override"])
def test_the_nodes_own_namespace_is_no_pods_also_where_the_runtime_insists(
    node: Node, override: dict[str, str]
) -> None:
    env, config = node.words("ADD", "one", str(node.netns))
    done = run(node.binary, env | override, config)
    assert (done.status, done.code) == (1, 8)
    assert "the node's own" in done.answer["msg"]
    assert node.traces() == []


def test_a_record_that_is_lost_is_named_by_check(node: Node) -> None:
    netns, _, result = node.add("one")
    node.kill()
    for path in node.directory.glob("ipam.*"):
        path.unlink()
    node.start()
    assert node.cni("CHECK", "one", netns, prevResult=result).code == 3
