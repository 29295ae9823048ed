"""What install writes and when, and that uninstall takes away just that."""

from __future__ import annotations

import errno
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnihost import agent, files, node, places, run_dir
from tandem.base.paths import RunDir
from tandem.podnet.unmanaged import Unmanaged
from tandem.runtime.cni_host import (
    VERSIONS,
    InstallError,
    Places,
    ask_status,
    ask_versions,
    defaced,
    install,
    installed,
    is_unchanged,
    uninstall,
)

LINE = "10-tandem.conflist"


def put(made: RunDir, where: Places) -> list[str]:
    with agent(node(made)):
        return list(install(made, node(made), where, wait=0))


def settings(where: Places) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(where.conflist.read_text())
    return found


def test_the_executable_comes_first_then_status_then_the_network(tmp_path: Path) -> None:
    where = places(tmp_path)
    steps = put(run_dir(tmp_path), where)
    assert [step.split()[0] for step in steps] == [str(where.executable), "STATUS:", str(where.conflist)]
    assert is_unchanged(where.conflist)


def test_old_runtimes_find_a_version_that_they_know_and_new_ones_the_newest(tmp_path: Path) -> None:
    where = replace(places(tmp_path), version="0.4.0", unmanaged=Unmanaged.CLOSED)
    made = run_dir(tmp_path)
    put(made, where)
    found = settings(where)
    assert (found["cniVersion"], found["cniVersions"]) == ("0.4.0", ["0.4.0", "1.0.0", "1.1.0"])
    (plugin,) = found["plugins"]
    assert plugin["capabilities"]["portMappings"]
    assert (plugin["socket"], plugin["unmanaged"]) == (str(node(made).cni_socket), "closed")


def test_without_an_agent_there_is_no_network_and_nothing_is_left(tmp_path: Path) -> None:
    made = run_dir(tmp_path)
    with pytest.raises(InstallError, match="STATUS says 50: the node's agent is away"):
        list(install(made, node(made), places(tmp_path), wait=0))
    assert files(tmp_path) == []


def test_install_waits_for_an_agent_that_is_about_to_serve(tmp_path: Path) -> None:
    made, done = run_dir(tmp_path), threading.Event()

    def later() -> None:
        with agent(node(made)):
            done.wait(30)

    steps = install(made, node(made), places(tmp_path), wait=30)
    next(steps)
    thread = threading.Thread(target=later)
    thread.start()
    assert "serves" in next(steps)
    list(steps)
    done.set()
    thread.join()


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    made = run_dir(tmp_path)
    (made.root / "cni-installed.json.new").mkdir()  # a disk that is full does the same
    with pytest.raises(IsADirectoryError):
        put(made, places(tmp_path))
    assert files(tmp_path) == []


def test_uninstall_takes_the_draft_of_an_install_that_was_killed(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    where.conflist.with_suffix(".new").write_text("{")
    list(uninstall(made))
    assert files(tmp_path) == []


@pytest.mark.parametrize("lost", [False, True], ids=["kept", "lost"])
def test_what_an_install_that_was_killed_has_written_is_known_as_ours(tmp_path: Path, *, lost: bool) -> None:
    """Killed when the executable was there and the list was not; whether or not the run directory is there still."""
    where, made = places(tmp_path), run_dir(tmp_path)
    next(install(made, node(made), where, wait=0))
    assert (where.executable.exists(), where.conflist.exists()) == (True, False)
    if lost:
        (made.root / "cni-installed.json").unlink()
    assert [line for line in uninstall(made, [where.conf_dir]) if line.startswith("left:")] == []
    assert files(tmp_path) == []


def test_an_install_after_one_that_was_killed_takes_over(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    next(install(made, node(made), where, wait=0))
    put(made, where)
    assert is_unchanged(where.conflist)
    list(uninstall(made))
    assert files(tmp_path) == []


def test_an_agent_without_addresses_is_told_with_its_code(tmp_path: Path) -> None:
    made = run_dir(tmp_path)
    with agent(node(made), code=50, msg="no address is free", details="10.244.0.0/29"):
        assert ask_status(node(made).cni_bin / "tandem-cni", node(made)) == (50, "no address is free: 10.244.0.0/29")


def test_the_executable_names_its_versions(tmp_path: Path) -> None:
    assert tuple(ask_versions(node(run_dir(tmp_path)).cni_bin / "tandem-cni")) == VERSIONS


def test_uninstall_leaves_what_was_there_before(tmp_path: Path) -> None:
    where = places(tmp_path)
    where.conf_dir.mkdir(parents=True)
    (where.conf_dir / "87-podman.conflist").write_text("{}")
    before, made = files(tmp_path), run_dir(tmp_path)
    put(made, where)
    assert list(uninstall(made)) == [f"{where.conflist} removed", f"{where.executable} removed"]
    assert files(tmp_path) == before
    assert list(uninstall(made)) == []


def test_a_network_that_sorts_before_ours_is_told(tmp_path: Path) -> None:
    where = places(tmp_path)
    where.conf_dir.mkdir(parents=True)
    (where.conf_dir / "05-cilium.conflist").write_text("{}")
    (where.conf_dir / "06-folder.conflist").mkdir()
    assert "05-cilium.conflist sorts before it" in put(run_dir(tmp_path), where)[-1]


def test_installing_again_replaces_and_still_knows_which_directories_were_made(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    put(made, replace(where, unmanaged=Unmanaged.REFUSE))
    assert is_unchanged(where.conflist)
    list(uninstall(made))
    assert files(tmp_path) == []


def test_installing_elsewhere_takes_the_executable_along(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    other = replace(where, bin_dir=tmp_path / "other")
    assert f"{where.executable} removed" in put(made, other)
    assert other.executable.exists()
    assert not where.executable.exists()
    list(uninstall(made))
    assert files(tmp_path) == []


def test_an_executable_that_another_file_of_ours_names_stays(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    put(made, replace(where, conf_dir=tmp_path / "second"))
    put(made, replace(where, bin_dir=tmp_path / "other"))
    assert where.executable.exists()
    list(uninstall(made))
    assert files(tmp_path) == []


def test_after_the_run_directory_is_lost_the_configuration_itself_tells_what_to_remove(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    shutil.rmtree(made.root)
    assert list(uninstall(made)) == []
    assert len(list(uninstall(made, [where.conf_dir]))) == 2
    assert files(tmp_path) == []


def test_a_list_that_was_changed_since_stays_and_is_told(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    where.conflist.write_text(json.dumps(settings(where) | {"disableCheck": True}))
    assert not is_unchanged(where.conflist)
    assert list(uninstall(made)) == [f"left: {where.conflist}: it was changed since it was installed"]
    assert where.executable.exists()


def test_a_list_that_nobody_can_read_any_more_stays_and_is_told(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    with where.conflist.open("a") as file:
        file.write("x")
    assert defaced(made) == [where.conflist]
    assert not is_unchanged(where.conflist)
    for _ in range(2):
        assert list(uninstall(made)) == [f"left: {where.conflist}: it was changed since it was installed"]
    where.conflist.unlink()
    assert list(uninstall(made)) == []


def test_what_cannot_be_removed_is_told_and_removed_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    for refused in ({where.conflist}, {where.executable}):
        with monkeypatch.context() as patched:
            refuse(patched, refused)
            (left,) = [line for line in uninstall(made) if line.startswith("left:")]
        assert left == f"left: {min(refused)}: Read-only file system"
    assert where.executable.exists()


def refuse(patched: pytest.MonkeyPatch, paths: set[Path]) -> None:
    """As a file system does that can only be read."""
    unlink = Path.unlink

    def checked(path: Path, *, missing_ok: bool = False) -> None:
        if path in paths:
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, missing_ok=missing_ok)

    patched.setattr(Path, "unlink", checked)


def test_an_executable_that_was_changed_since_stays_and_is_told(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    put(made, where)
    where.executable.write_text("#!/bin/sh")
    assert not is_unchanged(where.conflist)
    assert [line.split()[0] for line in uninstall(made)] == [str(where.conflist), "left:"]


def test_another_tandems_files_are_not_touched(tmp_path: Path) -> None:
    where, made, other = places(tmp_path), run_dir(tmp_path), RunDir(tmp_path / "run" / "other")
    put(made, where)
    assert (installed(other, [where.conf_dir]), list(uninstall(other, [where.conf_dir]))) == ([], [])
    with pytest.raises(InstallError, match="is not of this tandem"):
        list(install(other, other.node("node-1"), where, wait=0))


def test_an_executable_of_unknown_origin_is_not_replaced(tmp_path: Path) -> None:
    where, made = places(tmp_path), run_dir(tmp_path)
    where.bin_dir.mkdir(parents=True)
    where.executable.write_text("mine")
    with pytest.raises(InstallError, match="is there already"):
        put(made, where)
    assert where.executable.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", '{"plugins": [{"type": "bridge"}]}', '{"plugins": 3}'])
def test_a_list_of_somebody_else_is_not_ours(tmp_path: Path, text: str) -> None:
    made = run_dir(tmp_path)
    (tmp_path / LINE).write_text(text)
    assert installed(made, [tmp_path]) == []
    assert not is_unchanged(tmp_path / LINE)
