"""Volumes hold what their objects say, and change in one step."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.model import core
from tandem.model.meta import Meta
from tandem.workloads.environment import ConfigError, References
from tandem.workloads.volumes import VolumeFile, files_of, write

APPS = core.ConfigMap(
    api_version="v1", kind="ConfigMap", metadata=Meta(name="m", namespace="n"), data={"b": "2", "a": "1"}
)
KNOWN = References(config_maps={"m": APPS}, secrets={})
NOTHING = References(config_maps={}, secrets={})


def of_map(**fields: object) -> core.Volume:
    return core.Volume(name="v", config_map=core.ConfigMapVolume(name="m", **fields))  # type: ignore[arg-type]


def files(**contents: str) -> list[VolumeFile]:
    return [VolumeFile(path=name, content=text.encode(), mode=0o644) for name, text in contents.items()]


def test_a_config_map_becomes_one_file_per_key() -> None:
    found = files_of(of_map(), KNOWN)
    assert found is not None
    assert [(f.path, f.content) for f in found] == [("a", b"1"), ("b", b"2")]


def test_a_missing_config_map_is_named() -> None:
    with pytest.raises(ConfigError, match='volume v: configmap "m" not found'):
        files_of(of_map(), NOTHING)


def test_an_optional_one_that_is_missing_is_empty() -> None:
    assert files_of(of_map(optional=True), NOTHING) == ()


def test_a_path_cannot_leave_the_volume() -> None:
    with pytest.raises(ConfigError, match="must be relative"):
        files_of(of_map(items=(core.KeyToPath(key="a", path="../etc/passwd"),)), KNOWN)


def test_a_key_cannot_leave_the_volume_either() -> None:
    data = {"../../etc/passwd": "x"}
    known = core.ConfigMap(api_version="v1", kind="ConfigMap", metadata=Meta(name="m", namespace="n"), data=data)
    with pytest.raises(ConfigError, match="must be relative"):
        files_of(of_map(), References(config_maps={"m": known}, secrets={}))


def test_what_is_deleted_lies_in_the_volume(tmp_path: Path) -> None:
    folder, other = tmp_path / "v", tmp_path / "other"
    write(folder, files(a="1"))
    other.mkdir()
    (folder / "..data").unlink()
    (folder / "..data").symlink_to(other)
    write(folder, files(a="2"))
    assert other.exists()
    assert (folder / "a").read_text() == "2"


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="has no key 'c'"):
        files_of(of_map(items=(core.KeyToPath(key="c", path="c"),)), KNOWN)


def test_a_volume_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="only emptyDir, configMap and secret"):
        files_of(core.Volume(name="v"), NOTHING)


def test_a_changed_volume_has_the_new_files_and_no_old_ones(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    write(folder, files(a="1", b="2"))
    write(folder, files(a="3", c="4"))
    assert {p.name: p.read_text() for p in folder.iterdir() if not p.name.startswith("..")} == {"a": "3", "c": "4"}
    assert len([p for p in folder.iterdir() if p.name.startswith("..")]) == 2


def test_an_equal_volume_is_not_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    write(folder, files(a="1"))
    before = (folder / "..data").lstat().st_ino
    write(folder, files(a="1"))
    assert (folder / "..data").lstat().st_ino == before


def test_what_is_in_an_empty_dir_stays(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    write(folder, None)
    (folder / "mine").write_text("x")
    write(folder, None)
    assert (folder / "mine").read_text() == "x"
