"""What an Envoy is told of the one before it; that it takes over is in tests/netns/test_envoy_process.py."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.drivers.envoy import handover


def base_id(arguments: list[str]) -> str:
    return arguments[arguments.index("--base-id") + 1]


def test_one_node_has_one_base_id_and_another_node_another(tmp_path: Path) -> None:
    one, other = NodeDir(tmp_path / "one"), NodeDir(tmp_path / "other")
    one.root.mkdir()
    other.root.mkdir()
    first, second = handover.arguments(one, 0, 600), handover.arguments(one, 1, 600)
    assert base_id(first) == base_id(second) != base_id(handover.arguments(other, 0, 600))
    assert int(base_id(first)) * 10 < 2**32
    assert (first[3], second[3]) == ("0", "1")


def test_what_is_left_is_found_by_where_the_node_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(handover, "MEMORY", memory)
    paths = NodeDir(tmp_path / "node")
    paths.root.mkdir()
    of_another = memory / "envoy_shared_memory_10"
    for path in (memory / f"envoy_shared_memory_{base_id(handover.arguments(paths, 0, 1))}0", of_another):
        path.touch()
    (paths.root / "hot_parent_1").touch()
    handover.forget(paths)
    assert list(memory.iterdir()) == [of_another]
    assert list(paths.root.iterdir()) == []


def test_a_node_that_lost_its_directory_is_still_the_same(tmp_path: Path) -> None:
    paths = NodeDir(tmp_path / "run" / "node")
    paths.root.mkdir(parents=True)
    before = handover.arguments(paths, 0, 1)
    shutil.rmtree(tmp_path / "run")
    assert handover.arguments(paths, 0, 1) == before
    handover.forget(paths)


def test_without_memory_nobody_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert handover.possible()
    monkeypatch.setattr(handover, "MEMORY", tmp_path / "nowhere")
    assert not handover.possible()
