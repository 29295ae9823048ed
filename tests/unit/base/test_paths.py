"""Everything lies below one directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.base.paths import NodeDir, RunDir


def properties(directory: NodeDir | RunDir) -> list[Path]:
    names = [name for name, value in vars(type(directory)).items() if isinstance(value, property)]
    return [getattr(directory, name) for name in names]


def test_every_file_of_a_cluster_lies_below_its_run_directory() -> None:
    run_dir = RunDir(Path("/r"))
    found = [*properties(run_dir), *properties(run_dir.node("n1"))]
    assert len(found) > 15
    assert all(path.is_relative_to("/r") for path in found)


def test_no_two_files_share_a_path_and_nodes_share_nothing() -> None:
    run_dir = RunDir(Path("/r"))
    found = [*properties(run_dir), *properties(run_dir.node("n1")), *properties(run_dir.node("n2"))]
    assert len(set(found)) == len(found)


def test_the_environment_names_the_run_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_RUN_DIR", "/elsewhere")
    assert RunDir.default().root == Path("/elsewhere")
    monkeypatch.delenv("TANDEM_RUN_DIR")
    assert RunDir.default().root == Path("/run/tandem")


def test_sockets_fit_into_a_unix_address_for_long_node_names() -> None:
    """A unix socket's path has 107 bytes."""
    node = RunDir(Path("/run/tandem")).node("n" * 63)
    assert max(len(str(p)) for p in (node.cni_socket, node.xds_socket, node.admin_socket)) <= 107
