"""Container logs: what a container writes goes through a FIFO to `logs/<container>/<restart>.log`, a line at a time.

A line is stored as the CRI stores it: `<time> stdout F <text>`. The container holds both ends of its FIFO, so that it
neither fails nor loses a line while the runtime process is being restarted.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tandem.base.clock import Clock
from tandem.base.paths import NodeDir

_NONE: Final = -1
_CHUNK: Final = 65536
_LONGEST_LINE: Final = 16384
"""Longer lines are stored in parts, as in the CRI (`P`: the line goes on)."""
_LARGEST_FILE: Final = 10 * 1024 * 1024
_KEPT_INSTANCES: Final = 2
_FOLLOW: Final = 0.1
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


Tap = Callable[[bytes], None]


class LogWriter:
    """Reads one instance's FIFO into its log file, until closed; `terminal`: what that shows instead (`listen`)."""

    def __init__(self, folder: Path, instance: int, clock: Clock, *, terminal: bool = False) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock = clock
        self._path = folder / f"{instance}.log"
        self._fifo = folder / f"{instance}.fifo"
        self._partial = b""
        self._input = _NONE
        self._output = self._path.open("ab", buffering=0)
        self.taps: set[Tap] = set()
        """Are told of every byte as it comes."""
        if not terminal:
            if not self._fifo.exists():
                os.mkfifo(self._fifo, 0o600)
            self.listen(os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        _forget(folder, instance)

    def listen(self, descriptor: int) -> None:
        """Read this; it is closed here."""
        self._input = descriptor
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def open_for_container(self) -> int:
        """A descriptor for the container's stdout and stderr; the caller closes it."""
        return os.open(self._fifo, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Store what is left and end. The file stays."""
        self._end_input()
        if self._partial:
            self._store([(self._partial, "F")])
        self._output.close()
        self._fifo.unlink(missing_ok=True)

    def detach(self) -> None:
        """End without the container noticing: a later runtime process goes on reading."""
        self._end_input()
        self._output.close()

    def _end_input(self) -> None:
        if self._input != _NONE:
            self._read()
            asyncio.get_running_loop().remove_reader(self._input)
            os.close(self._input)
            self._input = _NONE

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._input, _CHUNK)
            except BlockingIOError:
                break
            except OSError:  # EIO: nobody has the terminal any more
                asyncio.get_running_loop().remove_reader(self._input)
                break
            for tap in tuple(self.taps):
                tap(data)
            *lines, self._partial = (self._partial + data).split(b"\n")
            parts = [(line, "F") for line in lines]
            while len(self._partial) > _LONGEST_LINE:
                parts.append((self._partial[:_LONGEST_LINE], "P"))
                self._partial = self._partial[_LONGEST_LINE:]
            self._store(parts)
        if self._output.tell() > _LARGEST_FILE:
            self._output.close()
            self._path.rename(self._path.with_suffix(".log.1"))
            self._output = self._path.open("ab", buffering=0)

    def _store(self, parts: list[tuple[bytes, str]]) -> None:
        """A disk that is full costs lines, and neither the container nor its runtime."""
        time = _stamp(self._clock.now()).decode()
        with suppress(OSError):
            self._output.write(b"".join(f"{time} stdout {tag} ".encode() + line + b"\n" for line, tag in parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which lines, and how they are given (Kubernetes: PodLogOptions)."""

    tail: int | None = None
    """Of those that are old, the last so many."""
    follow: bool = False
    previous: bool = False
    since: float = 0.0
    """Seconds since 1970: only what was written then or later."""
    timestamps: bool = False
    limit: int | None = None
    """The first so many bytes of all."""


async def read_logs(
    node_dir: NodeDir, uid: str, container: str, wanted: Selection = Selection()
) -> AsyncIterator[bytes]:
    """The container's output as it was written; FileNotFoundError if there is none (yet).

    With `follow`, goes on through later instances until the caller stops or the pod has gone.
    """
    left = wanted.limit
    since = _stamp(wanted.since)
    async for line in _lines(node_dir.pods / uid / "logs" / container, wanted, since):
        text = _text(line, timestamps=wanted.timestamps)
        if left is None:
            yield text
            continue
        yield text[:left]
        left -= len(text)
        if left <= 0:
            return


async def _lines(folder: Path, wanted: Selection, since: bytes) -> AsyncIterator[bytes]:
    """As they are stored."""
    instances = _instances(folder)
    if len(instances) < (2 if wanted.previous else 1):
        which = "previous instance of container" if wanted.previous else "container"
        raise FileNotFoundError(f"{which} {folder.name!r} has no log")
    path = instances[-2 if wanted.previous else -1]
    older = path.with_suffix(".log.1")
    content = (older.read_bytes() if older.exists() else b"") + path.read_bytes()
    position = path.stat().st_size
    lines = content.splitlines(keepends=True)
    # The last lines of all, and of these the new ones: so the kubelet reads a log.
    for line in lines if wanted.tail is None else lines[len(lines) - min(wanted.tail, len(lines)) :]:
        if line >= since:
            yield line
    while wanted.follow and folder.exists():  # noqa: ASYNC240 - as fast as reading it
        await asyncio.sleep(_FOLLOW)
        newest = _instances(folder)
        if newest and newest[-1] != path:
            path, position = newest[-1], 0
        for line, position in _appended(path, position):  # noqa: B007, B020 - where the next look starts
            if line >= since:
                yield line


def has_log(node_dir: NodeDir, uid: str, container: str, *, previous: bool = False) -> bool:
    """True if `read_logs` with the same arguments has something to read."""
    return len(_instances(node_dir.pods / uid / "logs" / container)) >= (2 if previous else 1)


def _appended(path: Path, position: int) -> list[tuple[bytes, int]]:
    """Whole lines after `position`, each with the position behind it; from the start of a file that was rotated."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < position:
                position = 0
            file.seek(position)
            data = file.read()
    except FileNotFoundError:
        return []
    found = []
    for line in data.splitlines(keepends=True):
        if line.endswith(b"\n"):
            position += len(line)
            found.append((line, position))
    return found


def _text(line: bytes, *, timestamps: bool) -> bytes:
    """`<time> stdout F text` -> `text`, or `<time> text`; a part of a longer line comes without its newline."""
    time, _, tag, text = line.split(b" ", 3)
    shown = text.rstrip(b"\n") if tag == b"P" else text
    return time + b" " + shown if timestamps else shown


def _stamp(at: float) -> bytes:
    """As the lines have it: they sort by it."""
    return datetime.fromtimestamp(at, UTC).strftime(_TIME).encode()


def _instances(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.log") if re.fullmatch(r"\d+", p.stem)), key=lambda p: int(p.stem))


def _forget(folder: Path, instance: int) -> None:
    """Keep this instance's log and the one before it."""
    for path in folder.glob("*.log*"):
        number = path.name.partition(".")[0]
        if number.isdigit() and int(number) <= instance - _KEPT_INSTANCES:
            path.unlink(missing_ok=True)
