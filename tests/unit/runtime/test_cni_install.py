"""The CNI executable and its configuration, as a runtime finds them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tandem.base.paths import NodeDir
from tandem.runtime.cni_install import install_cni


def test_a_runtime_finds_one_network_that_leads_to_the_agents_socket(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    install_cni(node)
    (conflist,) = node.cni_conf.iterdir()
    network = json.loads(conflist.read_text())
    assert (network["name"], network["cniVersion"]) == ("tandem", "1.1.0")
    (plugin,) = network["plugins"]
    asked = {"portMappings", "bandwidth", "ips", "mac", "dns", "ipRanges", "aliases"}
    assert plugin == {
        "type": "tandem-cni",
        "socket": str(node.cni_socket),
        "capabilities": dict.fromkeys(asked, True),
    }
    assert os.access(node.cni_bin / plugin["type"], os.X_OK)


def test_the_executable_runs_without_our_environment(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    install_cni(node)
    answer = subprocess.run(
        [node.cni_bin / "tandem-cni"],
        input='{"cniVersion":"1.1.0"}',
        capture_output=True,
        text=True,
        check=True,
        env={"CNI_COMMAND": "VERSION"},
    )
    assert "1.1.0" in json.loads(answer.stdout)["supportedVersions"]


def test_installing_again_replaces_and_leaves_no_drafts(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    install_cni(node)
    install_cni(node)
    assert [p.name for p in node.cni_conf.iterdir()] == ["10-tandem.conflist"]
    assert [p.name for p in node.cni_bin.iterdir()] == ["tandem-cni"]
