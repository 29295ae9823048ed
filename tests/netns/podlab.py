"""Namespaces of a test's own: a node and pods, unique by name, removed afterwards."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Lab:
    """Makes namespaces `tdcni-<unique>-<name>`; `path` is where one is found."""

    def __init__(self) -> None:
        self._prefix = f"tdcni-{uuid.uuid4().hex[:8]}-"
        self._names: list[str] = []

    def add(self, name: str) -> str:
        full = self._prefix + name
        subprocess.run(["ip", "netns", "add", full], check=True)
        self._names.append(full)
        return self.path(name)

    def add_many(self, names: Iterable[str]) -> None:
        """The same for many at once."""
        full = [self._prefix + name for name in names]
        _batch("add", full)
        self._names += full

    def path(self, name: str) -> str:
        return f"/run/netns/{self._prefix}{name}"

    def remove(self, name: str) -> None:
        full = self._prefix + name
        subprocess.run(["ip", "netns", "del", full], check=True)
        self._names.remove(full)

    def close(self) -> None:
        _batch("del", self._names)


def _batch(verb: str, names: Iterable[str]) -> None:
    """`-force`: goes on where one is gone already."""
    commands = "".join(f"netns {verb} {name}\n" for name in names)
    subprocess.run(["ip", "-force", "-batch", "-"], input=commands, text=True, check=False)


@contextmanager
def lab() -> Iterator[Lab]:
    made = Lab()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def space() -> Iterator[str]:
    """The name of one namespace, removed afterwards."""
    with lab() as made:
        yield Path(made.add("space")).name


def ip(netns: str, *words: str) -> str:
    """Output of `ip WORDS` in the namespace."""
    name = Path(netns).name
    return subprocess.run(["ip", "-n", name, *words], check=True, capture_output=True, text=True).stdout


def unmount_all(directory: Path) -> None:
    """Release what a test left pinned."""
    for path in sorted(directory.glob("*")) if directory.is_dir() else ():
        subprocess.run(["umount", path], check=False, capture_output=True)
        with suppress(FileNotFoundError):
            path.unlink()
