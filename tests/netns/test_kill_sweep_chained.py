"""The same sweep behind another plugin: killed before every step, the namespace is afterwards as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from killing import Watch, killed_before
from netns.podlab import ip, lab
from netns.sweeplab import SweptNode, swept_node
from netns.test_kill_sweep import FIRST, SECOND, netns, restarted, sweep

pytestmark = pytest.mark.root
RESULT: Final[dict[str, Any]] = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/x"}],
    "ips": [{"address": "10.88.0.2/24", "interface": 0}],
}
BEHIND: Final[dict[str, Any]] = {"name": "mynet", "chained": True, "policy": True, "prevResult": RESULT}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SweptNode]:
    """The first pod has the link that another plugin made."""
    with lab() as spaces, swept_node(tmp_path, spaces) as made:
        first, _ = spaces.add(FIRST), spaces.add(SECOND)
        ip(made.netns, *f"link add veth0 type veth peer name eth0 netns {Path(first).name}".split())
        ip(first, "address", "add", "10.88.0.2/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            ip(first, "link", "set", link, "up")
        made.start()
        yield made


def left(node: SweptNode, container: str, pod: str) -> None:
    """The first DEL waits for the other plugin's link to go, the second does not."""
    for _ in range(2):
        assert node.cni("DEL", container, pod, **BEHIND).status == 0


def test_an_add_killed_at_any_step_can_be_repeated(node: SweptNode) -> None:
    def case(step: int) -> Watch:
        pod, container = netns(node, FIRST), f"c{step}"
        with killed_before(node.pid, step) as watch:
            done = node.cni("ADD", container, pod, **BEHIND)
        restarted(node, watch)
        if watch.killed:
            done = node.cni("ADD", container, pod, **BEHIND)
            if done.status:  # killed between the last step and the answer: there is a whole attachment
                assert done.code == 100
        assert node.cni("CHECK", container, pod, **BEHIND).out == ""
        left(node, container, pod)
        return watch

    assert {"mount", "netlink 16", "write rp_filter"} <= set(sweep(node, case))


@pytest.mark.parametrize("way", ["with", "without"])
def test_a_del_killed_at_any_step_is_finished(node: SweptNode, way: str) -> None:
    def case(step: int) -> Watch:
        pod, container = netns(node, FIRST), f"c{step}"
        assert node.cni("ADD", container, pod, **BEHIND).status == 0
        with killed_before(node.pid, step) as watch:
            left(node, container, pod if way == "with" else "")
        restarted(node, watch)
        assert node.cni("DEL", container, "", **BEHIND).status == 0
        return watch

    assert {"umount2", "netlink 33"} <= set(sweep(node, case))
