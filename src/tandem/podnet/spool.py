"""DELs that the courier queued while the agent was away: files in a folder -> requests, oldest first.

A file is what the courier would have sent (`tandem_cni/spool.py` writes it). It is removed once its DEL is done.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.podnet.request import Code, Request, VerbError, parse

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Queued:
    """One DEL that waits."""

    request: Request
    path: Path

    @property
    def waits(self) -> bool:
        """It is not done yet."""
        return self.path.exists()

    def done(self) -> None:
        """It needs not be done again."""
        self.path.unlink(missing_ok=True)


class Spool:
    """The folder; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def waiting(self) -> tuple[Queued, ...]:
        """Every DEL that waits; what is no request (only a foreign hand can have put it there) is removed and told."""
        found: list[tuple[int, Queued]] = []
        for path in self._files():
            try:
                found.append((path.stat().st_mtime_ns, Queued(_request(path), path)))
            except FileNotFoundError:
                continue  # its courier asked once more, and takes it back
            except VerbError as error:
                _log.warning("queued DEL %s removed: %s", path, error)
                path.unlink(missing_ok=True)
        return tuple(queued for _, queued in sorted(found, key=lambda one: (one[0], one[1].path.name)))

    def _files(self) -> list[Path]:
        # A name that begins with a dot is a draft of a courier that was killed, or is still writing.
        return [p for p in self._folder.iterdir() if not p.name.startswith(".")] if self._folder.is_dir() else []


def _request(path: Path) -> Request:
    request = parse(path.read_bytes())
    if request.verb != "DEL":
        raise VerbError(Code.BAD_CONFIG, f"a queue of DELs, not of {request.verb!r}")
    return request
