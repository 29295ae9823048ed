"""Which namespaces are heard, by which path; with a kernel: tests/contract/test_nft_pods_watch.py."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tandem.drivers.pods_socket import PodsSocket


class Numbered(PodsSocket):
    """Gives numbers without a kernel."""

    def __init__(self, protocol: int = 0, groups: Collection[int] = (), *, buffer: int = 0) -> None:
        super().__init__(protocol, groups, buffer=buffer)
        self.numbers: list[tuple[str, int]] = []

    def _give_number(self, netns: str, number: int) -> None:
        self.numbers.append((netns, number))


def test_a_namespace_has_one_number_until_it_is_left(tmp_path: Path) -> None:
    made, (a, b) = Numbered(), (str(tmp_path / "a"), str(tmp_path / "b"))
    for path in (a, b):
        Path(path).touch()
    assert [made.follow(path) for path in (a, b, a)] == [True, True, False]
    made.leave(a)
    made.leave(a)
    assert made.follow(a)
    assert made.numbers == [(a, 1), (b, 2), (a, 3)]


def test_another_namespace_by_the_same_path_has_another_number(tmp_path: Path) -> None:
    made, path = Numbered(), tmp_path / "a"
    path.touch()
    assert made.follow(str(path))
    path.rename(tmp_path / "before")  # keeps its inode
    path.touch()
    assert made.follow(str(path))
    assert made.numbers == [(str(path), 1), (str(path), 2)]
