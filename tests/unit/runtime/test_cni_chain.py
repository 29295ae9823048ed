"""Which networks of others can be extended, and which runtimes will not see it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cnihost import agent, files, node, places, run_dir
from tandem.podnet.unmanaged import Unmanaged
from tandem.runtime.cni_chain import deaf_runtimes, find_network
from tandem.runtime.cni_host import BEHIND, Chain, InstallError, Places, install, installed, is_unchanged, uninstall

BRIDGE: dict[str, Any] = {"cniVersion": "1.0.0", "name": "mynet", "plugins": [{"type": "bridge"}]}


def put(folder: Path, config: object, name: str = "10-mynet.conflist") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(config))
    return folder / name


def behind(tmp_path: Path, *, policy: bool = False) -> Places:
    where = places(tmp_path)
    chain = Chain(network="mynet", policy=policy)
    return Places(bin_dir=where.bin_dir, conf_dir=where.conf_dir, unmanaged=Unmanaged.OPEN, chain=chain)


def test_a_network_is_found_by_its_name(tmp_path: Path) -> None:
    put(tmp_path, {"name": "other"}, "05-other.conf")
    assert find_network(tmp_path, "mynet" if put(tmp_path, BRIDGE) else "").name == "10-mynet.conflist"


@pytest.mark.parametrize(
    ("config", "file", "words"),
    [
        (BRIDGE | {"name": "other"}, "10-x.conflist", "no such network in .*; there are: other"),
        ({"name": "mynet", "type": "bridge"}, "10-mynet.conf", "is a single plugin"),
        (BRIDGE | {"loadOnlyInlinedPlugins": True}, "10-x.conflist", "loadOnlyInlinedPlugins"),
        (BRIDGE | {"plugins": [{"type": "tandem-cni"}]}, "10-x.conflist", "in this list already"),
        ("nonsense", "10-x.conflist", "there are: none"),
    ],
)
def test_a_network_that_cannot_be_extended_is_refused_with_the_reason(
    tmp_path: Path, config: object, file: str, words: str
) -> None:
    put(tmp_path, config, file)
    with pytest.raises(InstallError, match=words):
        find_network(tmp_path, "mynet")


def test_a_folder_that_is_not_there_has_no_network(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="there are: none"):
        find_network(tmp_path / "none", "mynet")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"containerd": "containerd github.com/containerd/containerd 1.6.20~ds1 x"}, ["containerd 1.6"]),
        ({"containerd": "containerd github.com/containerd/containerd v2.2.0 x"}, []),
        ({"podman": "podman version 4.3.1"}, ["podman 4.3"]),
        ({}, []),
    ],
)
def test_a_runtime_that_does_not_read_the_directory_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: dict[str, str], told: list[str]
) -> None:
    for name, text in said.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{text}'\n")
        program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name) if name in said else None)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert [line.split(" does not")[0] for line in deaf_runtimes()] == [f"note: {text}" for text in told]


def test_one_file_is_added_to_the_networks_directory_and_its_list_stays(tmp_path: Path) -> None:
    made, where = run_dir(tmp_path), behind(tmp_path, policy=True)
    before = put(where.conf_dir, BRIDGE).read_text()
    with agent(node(made)):
        list(install(made, node(made), where, wait=0))
    assert (where.conf_dir / "10-mynet.conflist").read_text() == before
    found = json.loads((where.conf_dir / "mynet" / BEHIND).read_text())
    assert (found["type"], found["chained"], found["policy"]) == ("tandem-cni", True, True)
    assert found["socket"] == str(node(made).cni_socket)
    assert "name" not in found
    assert installed(made, [where.conf_dir]) == [where.conflist]
    assert is_unchanged(where.conflist)


def test_uninstall_takes_file_directory_and_executable_away_and_nothing_else(tmp_path: Path) -> None:
    made, where = run_dir(tmp_path), behind(tmp_path)
    put(where.conf_dir, BRIDGE)
    before = files(tmp_path)
    with agent(node(made)):
        list(install(made, node(made), where, wait=0))
    assert list(uninstall(made)) == [f"{where.conflist} removed", f"{where.executable} removed"]
    assert files(tmp_path) == before


def test_both_ways_side_by_side_share_the_executable(tmp_path: Path) -> None:
    made, first, second = run_dir(tmp_path), places(tmp_path), behind(tmp_path)
    put(first.conf_dir, BRIDGE, "20-mynet.conflist")
    with agent(node(made)):
        list(install(made, node(made), first, wait=0))
        list(install(made, node(made), second, wait=0))
    assert [is_unchanged(path) for path in installed(made, [first.conf_dir])] == [True, True]
    assert len(list(uninstall(made))) == 3
    assert not first.executable.exists()


def test_an_executable_that_was_there_before_stays(tmp_path: Path) -> None:
    made, where = run_dir(tmp_path), behind(tmp_path)
    own = Places(bin_dir=node(made).cni_bin, conf_dir=where.conf_dir, chain=where.chain)
    put(where.conf_dir, BRIDGE)
    with agent(node(made)):
        steps = list(install(made, node(made), own, wait=0))
    assert steps[0] == f"{own.executable} is there"
    assert is_unchanged(own.conflist)
    assert list(uninstall(made)) == [f"{own.conflist} removed"]
    assert own.executable.exists()
