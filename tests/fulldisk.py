"""A disk without room, for files of this process alone and without root."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def no_room(folder: Path) -> Iterator[None]:
    """No file of this process may grow beyond the largest in the folder; SQLite's index of its log does not count."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sizes = [file.stat().st_size for file in folder.iterdir() if not file.name.endswith("-shm")]
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(sizes, default=0), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
