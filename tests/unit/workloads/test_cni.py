"""Plugins are executed as containerd executes them, and their own words come back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

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


def calls(folder: Path) -> list[tuple[str, dict[str, Any]]]:
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


def chain(folder: Path) -> NodeDir:
    """Two plugins in a row; each adds its name to what it got as prevResult."""
    made = node(folder, "")
    config = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "fake"}, {"type": "second"}]}
    (made.cni_conf / "10-net.conflist").write_text(json.dumps(config))
    (made.cni_conf / "20-other.conflist").write_text("{}")
    for name in ("fake", "second"):
        answer = json.dumps({**RESULT, "by": name})
        plugin = made.cni_bin / name
        plugin.write_text(
            f'#!/bin/sh\nread -r line; echo "$CNI_COMMAND $line" >> {folder}/calls\n'
            f"if [ $CNI_COMMAND = ADD ] && [ -e {folder}/fail.{name} ]; then echo nonsense >&2; exit 3; fi\n"
            f"echo '{answer}'\n"
        )
        plugin.chmod(0o755)
    return made


def test_plugins_are_added_in_order_each_with_the_result_before_and_deleted_in_reverse(tmp_path: Path) -> None:
    cni = Cni(chain(tmp_path))
    asyncio.run(cni.add(ME))
    asyncio.run(cni.delete(ME))
    seen = [(verb, c["type"], (c.get("prevResult") or {}).get("by")) for verb, c in calls(tmp_path)]
    assert seen == [
        ("ADD", "fake", None),
        ("ADD", "second", "fake"),
        ("DEL", "second", "second"),
        ("DEL", "fake", "second"),
    ]


def test_a_failure_half_way_is_undone_in_reverse_and_standard_error_is_told(tmp_path: Path) -> None:
    cni = Cni(chain(tmp_path))
    (tmp_path / "fail.second").touch()
    with pytest.raises(CniError, match="second ADD: nonsense") as raised:
        asyncio.run(cni.add(ME))
    assert raised.value.code == 999
    assert [(verb, c["type"]) for verb, c in calls(tmp_path)][2:] == [("DEL", "second"), ("DEL", "fake")]


def test_del_uses_the_configuration_of_its_add(tmp_path: Path) -> None:
    made = node(tmp_path, f"echo '{json.dumps(RESULT)}'")
    asyncio.run(Cni(made).add(ME))
    other = {"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "absent"}]}
    (made.cni_conf / "10-net.conflist").write_text(json.dumps(other))
    asyncio.run(Cni(made).delete(ME))
    assert calls(tmp_path)[-1][1]["name"] == "net"


def test_a_plugin_that_is_not_installed_is_named_and_tried_again(tmp_path: Path) -> None:
    made = node(tmp_path, "")
    (made.cni_bin / "fake").unlink()
    with pytest.raises(CniError, match="CNI plugin 'fake' is not in") as raised:
        asyncio.run(Cni(made).add(ME))
    assert raised.value.code == TRY_AGAIN


@pytest.mark.parametrize(
    ("text", "what"), [('{"plugins": []}', "`name` is needed"), ('{"name": "net"}', "`plugins` are needed")]
)
def test_a_configuration_without_name_or_plugins_is_named(tmp_path: Path, text: str, what: str) -> None:
    made = node(tmp_path, "")
    (made.cni_conf / "10-net.conflist").write_text(text)
    with pytest.raises(CniError, match=what):
        asyncio.run(Cni(made).add(ME))


def put_behind(made: NodeDir, name: str, text: str) -> None:
    """A file in the network's own directory."""
    (made.cni_conf / "net").mkdir(exist_ok=True)
    (made.cni_conf / "net" / name).write_text(text)


def test_plugins_in_the_networks_directory_run_behind_those_of_the_list(tmp_path: Path) -> None:
    made = chain(tmp_path)
    for name, number in (("20-b.conf", 2), ("10-a.conf", 1)):
        put_behind(made, name, json.dumps({"type": "second", "number": number}))
    put_behind(made, "30-c.conflist", "is not read")
    cni = Cni(made)
    asyncio.run(cni.add(ME))
    (made.cni_conf / "net" / "10-a.conf").unlink()  # DEL is about what ADD did
    asyncio.run(cni.delete(ME))
    seen = [(verb, c["type"], c.get("number"), c["name"]) for verb, c in calls(tmp_path)]
    assert seen[:4] == [
        ("ADD", *rest, "net") for rest in (("fake", None), ("second", None), ("second", 1), ("second", 2))
    ]
    assert [s[1:3] for s in seen[4:]] == [("second", 2), ("second", 1), ("second", None), ("fake", None)]


@pytest.mark.parametrize("word", [True, "true"])
def test_a_list_may_refuse_plugins_of_its_directory(tmp_path: Path, word: object) -> None:
    made = node(tmp_path, f"echo '{json.dumps(RESULT)}'")
    path = made.cni_conf / "10-net.conflist"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"loadOnlyInlinedPlugins": word}))
    put_behind(made, "10-a.conf", "nonsense")
    asyncio.run(Cni(made).add(ME))
    assert len(calls(tmp_path)) == 1


@pytest.mark.parametrize(("text", "code"), [("nonsense", 6), ("{}", 7)])
def test_a_file_in_the_directory_that_is_no_plugin_is_named(tmp_path: Path, text: str, code: int) -> None:
    made = node(tmp_path, f"echo '{json.dumps(RESULT)}'")
    put_behind(made, "10-a.conf", text)
    with pytest.raises(CniError, match=r"net/10-a\.conf") as raised:
        asyncio.run(Cni(made).add(ME))
    assert raised.value.code == code
