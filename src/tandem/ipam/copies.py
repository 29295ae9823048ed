"""A second place for records of the journal: a file each, for the day on which the journal's own file is lost.

In: names and bytes. Out: the same again, newest first. It is never read while the journal is whole, so a copy that
cannot be written, or that is left over, does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)
_DRAFT: Final = "."


class Copies:
    """The folder; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __bool__(self) -> bool:
        return self._folder.is_dir()

    def keep(self, name: str, data: bytes) -> None:
        """Write one, whole or not at all; root's alone."""
        draft = self._folder / f"{_DRAFT}{name}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            draft.touch(mode=0o600)
            draft.write_bytes(data)
            draft.rename(self._folder / name)
        except OSError as error:
            _log.warning("no copy of the record %s: %s", name, error)
            with suppress(OSError):
                draft.unlink()

    def forget(self, name: str) -> None:
        """Remove one; fine if there is none."""
        with suppress(OSError):
            (self._folder / name).unlink()

    def keep_only(self, names: Collection[str]) -> frozenset[str]:
        """Remove all others; those that there are now."""
        found = {path.name for path in self._folder.iterdir()} if self else set()
        for name in found.difference(names):
            self.forget(name)
        return frozenset(found.intersection(names))

    def newest_first(self) -> list[tuple[str, bytes]]:
        """Every copy with its name."""
        whole = [path for path in self._folder.iterdir() if not path.name.startswith(_DRAFT)] if self else []
        return [(path.name, path.read_bytes()) for path in sorted(whole, key=lambda p: p.stat().st_mtime_ns)[::-1]]
