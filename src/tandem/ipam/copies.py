"""A second place for what the journal holds, for the day on which the journal's own file is lost: a log of changes.

In: names and bytes. Out: the same again, oldest first. It is never read while the journal is whole, so a line that
cannot be written does no harm. A line is `+name<TAB>data` or `-name`; the last may be cut short by a kill.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)
SLACK: Final = 2000
"""Lines about what is gone, after which the file is written anew."""


class Copies:
    """The file. `begin` comes before `keep` and `forget`; names have neither tabs nor ends of lines, data no latter."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._live: dict[str, bytes] = {}
        self._file = -1
        self._size = 0
        self._lines = 0

    def __bool__(self) -> bool:
        return self._path.exists()

    def read(self) -> dict[str, bytes]:
        """What an earlier process has kept and not forgotten; nothing where there is no file."""
        found: dict[str, bytes] = {}
        lines = self._path.read_bytes().split(b"\n")[:-1] if self else []
        for line in lines:
            name, _, data = line[1:].partition(b"\t")
            found.pop(name.decode(errors="replace"), None)
            if line.startswith(b"+"):
                found[name.decode(errors="replace")] = data
        return found

    def begin(self, live: Mapping[str, bytes]) -> None:
        """Hold these and no others from now on."""
        self._live = dict(live)
        self._rewrite()

    def keep(self, name: str, data: bytes) -> None:
        """Hold one more, or another value of one."""
        self._live[name] = data
        self._append(_line(name, data))

    def forget(self, name: str) -> None:
        """Hold one less; fine if it was not held."""
        if self._live.pop(name, None) is not None:
            self._append(b"-%s\n" % name.encode())

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, line: bytes) -> None:
        """The runtime waits for this: no more is done than must be."""
        self._lines += 1
        if self._file < 0 or self._lines > len(self._live) + SLACK:
            self._rewrite()
            return
        try:
            written = os.pwrite(self._file, line, self._size)
        except OSError as error:
            written = 0
            _log.warning("copies of records, %s: %s", self._path, error)
        if written == len(line):
            self._size += written
        else:  # half a line would spoil the next: begin anew, when there is room
            self.close()

    def _rewrite(self) -> None:
        self.close()
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            _log.warning("copies of records, %s: %s", self._path, error)
            return
        try:
            data = b"".join(_line(name, data) for name, data in self._live.items())
            if os.write(file, data) == len(data):
                draft.rename(self._path)
                self._file, self._size, self._lines = file, len(data), len(self._live)
                return
        except OSError as error:
            _log.warning("copies of records, %s: %s", self._path, error)
        os.close(file)
        with suppress(OSError):
            draft.unlink()


def _line(name: str, data: bytes) -> bytes:
    return b"+%s\t%s\n" % (name.encode(), data)
