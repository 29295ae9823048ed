"""Paths of namespaces as files; with namespaces it is tests/netns/test_occupancy_on_kernel.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tandem.drivers.link.occupancy import abandoned


@pytest.mark.parametrize(
    ("path", "pin", "gone"),
    [
        ("same", "same", False),
        ("other", "same", True),
        ("", "same", True),
        ("missing", "same", True),
        ("same", "", False),
        ("missing", "", True),
    ],
)
def test_a_path_counts_only_if_it_leads_to_what_was_pinned(tmp_path: Path, path: str, pin: str, gone: bool) -> None:  # noqa: FBT001
    for name in ("same", "other"):
        (tmp_path / name).touch()
    places = [str(tmp_path / name) if name else "" for name in (path, pin)]
    assert abandoned([("c", places[0], places[1])]) == (frozenset({"c"}) if gone else frozenset())


def test_the_namespace_of_any_other_process_is_somebodys() -> None:
    assert abandoned([("c", "/missing", f"/proc/{os.getppid()}/ns/net")]) == frozenset()
