"""A file is the old one or the new one at any moment, and private unless it is said otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.base.files import PUBLIC, replace_file


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(("given", "mode"), [({}, 0o600), ({"mode": PUBLIC}, 0o644)])
def test_the_new_file_has_its_own_mode_whatever_the_old_one_had(
    tmp_path: Path, given: dict[str, int], mode: int
) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    path.chmod(0o666)
    replace_file(path, b"new", **given)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", mode)
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_a_draft_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept.json.new").symlink_to(tmp_path / "elsewhere")
    replace_file(tmp_path / "kept.json", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_bytes(b"old")
    (tmp_path / "kept.json.new").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
