"""Plugins are executed as containerd executes them, and their own words come back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.workloads.cni import TRY_AGAIN, Attachment, Cni, CniError

ME = Attachment(container_id="c1", netns="/run/netns/x", namespace="shop", name="web", uid="u1")
RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.244.0.5/32"}]}


def node(folder: Path, script: str) -> NodeDir:
    """A node whose only plugin is `script` (shell); it keeps what it was given in `calls`."""
    made = NodeDir(folder)
    made.cni_bin.mkdir(parents=True)
    made.cni_conf.mkdir(parents=True)
    config = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "fake", "own": 1}]}
    (made.cni_conf / "10-net.conflist").write_text(json.dumps(config))
    plugin = made.cni_bin / "fake"
    plugin.write_text(f'#!/bin/sh\nread -r line; echo "$CNI_COMMAND $line" >> {folder}/calls\n{script}\n')
    plugin.chmod(0o755)
    return made


def calls(folder: Path) -> list[tuple[str, dict[str, object]]]:
    lines = (folder / "calls").read_text().splitlines()
    return [(line.partition(" ")[0], json.loads(line.partition(" ")[2])) for line in lines]


def test_the_result_of_add_is_given_to_del(tmp_path: Path) -> None:
    cni = Cni(node(tmp_path, f"echo '{json.dumps(RESULT)}'"))
    assert asyncio.run(cni.add(ME)) == ("10.244.0.5",)
    asyncio.run(cni.delete(ME))
    (add, first), (delete, second) = calls(tmp_path)
    assert (add, first) == ("ADD", {"type": "fake", "own": 1, "name": "net", "cniVersion": "1.0.0"})
    assert (delete, second["prevResult"]) == ("DEL", RESULT)


def test_a_failed_add_is_undone_and_told_in_the_plugins_words(tmp_path: Path) -> None:
    script = (
        """[ $CNI_COMMAND = DEL ] || { echo '{"code": 11, "msg": "agent away", "details": "no socket"}'; exit 1; }"""
    )
    with pytest.raises(CniError, match="fake ADD: agent away: no socket") as raised:
        asyncio.run(Cni(node(tmp_path, script)).add(ME))
    assert raised.value.code == TRY_AGAIN
    assert [command for command, _ in calls(tmp_path)] == ["ADD", "DEL"]


def test_a_plugin_that_returns_no_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="no address"):
        asyncio.run(Cni(node(tmp_path, "echo '{}'")).add(ME))


def test_without_configuration_it_is_try_again(tmp_path: Path) -> None:
    with pytest.raises(CniError, match="is the agent running") as raised:
        asyncio.run(Cni(NodeDir(tmp_path)).add(ME))
    assert raised.value.code == TRY_AGAIN


def test_the_arguments_are_containerds() -> None:
    found = ME.environment("ADD", Path("/bin"))
    assert found["CNI_ARGS"] == (
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=u1"
    )
