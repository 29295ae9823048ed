"""Programs that clients have started, on record while they run: `pods/<uid>/programs/<pid>-<start time>`.

A server that is killed ends none of them. Whoever comes after it finds them here, and ends them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tandem.base.paths import NodeDir
from tandem.workloads import tree
from tandem.workloads.record import Process

_FOLDER: Final = "programs"


def folder_of(node_dir: NodeDir, uid: str) -> Path:
    """Where the programs of a pod are on record."""
    return node_dir.pods / uid / _FOLDER


def note(folder: Path, process: Process) -> Path:
    """Put one on record; nothing is made for a pod that is gone."""
    path = folder / f"{process.pid}-{process.started}"
    with suppress(FileNotFoundError):
        folder.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
    return path


def end_all(nodes: Iterable[NodeDir]) -> list[Process]:
    """End, with all that they began, those that are still on record and run; gives them."""
    ended = []
    for node in nodes:
        for path in sorted(node.pods.glob(f"*/{_FOLDER}/*-*")):
            pid, _, started = path.name.partition("-")
            process = Process(pid=int(pid), started=int(started))
            if process.alive:  # what others of its session have left behind belongs to their container
                tree.end(process)
                ended.append(process)
            path.unlink(missing_ok=True)
    return ended
