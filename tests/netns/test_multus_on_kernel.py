"""As behind Multus: plugins are executed one after the other for one container, each for an interface of its own.

Tandem is the default network; a second interface is Debian's `bridge`'s, or is refused where it would be ours.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from netns.cnilab import answering, dial
from netns.podlab import ip, lab
from netns.sweeplab import SweptNode, swept_node, until_same
from unit.tandem_cni.courier import Done, run

pytestmark = pytest.mark.root
PLUGINS: Final = Path("/usr/lib/cni")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SweptNode]:
    with lab() as spaces, swept_node(tmp_path, spaces) as made:
        made.start()
        yield made


def second(node: SweptNode, verb: str, container: str, netns: str, **config: Any) -> Done:
    """Ours, for `net1`."""
    env, network = node.words(verb, container, netns, **config)
    return run(node.binary, env | {"CNI_IFNAME": "net1"}, network)


def bridge(node: SweptNode, verb: str, container: str, netns: str) -> Done:
    """Debian's plugin for `net1`, in the namespace of the node."""
    env, _ = node.words(verb, container, netns)
    ipam = {"type": "host-local", "subnet": "10.99.0.0/24", "dataDir": str(node.directory / "theirs")}
    config = {"cniVersion": "1.0.0", "name": "theirs", "type": "bridge", "bridge": "their0", "ipam": ipam}
    command = ["nsenter", f"--net={node.netns}", str(PLUGINS / "bridge")]
    done = subprocess.run(
        command,
        env={**env, "CNI_IFNAME": "net1", "CNI_PATH": str(PLUGINS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        input=json.dumps(config),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def sandbox(node: SweptNode, name: str) -> str:
    path = node.spaces.add(name)
    ip(path, "link", "set", "lo", "up")
    return path


def test_a_second_interface_by_another_plugin_goes_beside_ours_through_all_verbs(node: SweptNode) -> None:
    one, two = sandbox(node, "one"), sandbox(node, "two")
    results = {name: node.cni("ADD", name, path).answer for name, path in (("one", one), ("two", two))}
    for name, path in (("one", one), ("two", two)):
        assert bridge(node, "ADD", name, path).status == 0
    theirs = ip(one, "-br", "address", "show", "net1").split()[2]
    for name, path in (("one", one), ("two", two)):
        assert node.cni("CHECK", name, path, prevResult=results[name]).out == ""
        assert ip(path, "route", "show", "default").split()[2] == "169.254.1.1"
    for address in (results["one"]["ips"][0]["address"], theirs):
        with answering(one) as clients:
            dial(two, address.partition("/")[0])
        assert len(clients) == 1
    valid = [{"containerID": name, "ifname": "eth0"} for name in ("one", "two")]
    assert node.cni("GC", "", "", **{"cni.dev/valid-attachments": valid}).status == 0
    assert node.cni("CHECK", "one", one, prevResult=results["one"]).out == ""
    for _ in range(2):  # the second waits for all of the first
        assert node.cni("DEL", "one", one).status == 0
    assert ip(one, "-br", "address", "show", "net1").split()[2] == theirs
    with answering(two) as clients:
        dial(one, ip(two, "-br", "address", "show", "net1").split()[2].partition("/")[0])
    assert clients == [theirs.partition("/")[0]]
    assert bridge(node, "DEL", "one", one).status == 0


def test_a_second_interface_of_ours_is_refused_and_nothing_of_the_first_is_touched(node: SweptNode) -> None:
    pod = sandbox(node, "one")
    before = node.picture(pod)
    result = node.cni("ADD", "one", pod).answer
    whole = node.picture(pod)
    refused = second(node, "ADD", "one", pod)
    assert (refused.status, refused.code) == (1, 100)
    assert "one interface of Tandem's" in refused.answer["msg"]
    # What the runtime does after an ADD that failed, and what it may ask of it later.
    assert second(node, "DEL", "one", pod).status == 0
    assert second(node, "CHECK", "one", pod, prevResult=result).code == 3
    assert node.picture(pod) == whole
    assert node.cni("CHECK", "one", pod, prevResult=result).out == ""
    for _ in range(2):
        assert node.cni("DEL", "one", pod).status == 0
    until_same(node, before, pod)
