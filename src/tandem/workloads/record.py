"""What a restarted runtime, `tandem down` and `tandem exec` must know of a sandbox: `pods/<uid>/sandbox.json`.

Written before anything is made, and after each step. Processes are named by pid and start time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tandem.base import processes
from tandem.base.files import replace_file
from tandem.base.paths import NodeDir

FILE: Final = "sandbox.json"


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process that cannot be mistaken for another one with its number."""

    pid: int = 0
    started: int = 0

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.pid > 0 and processes.alive(self.pid, self.started)


class ContainerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The newest instance of one container."""

    process: Process = Process()
    restarts: int = 0
    started_at: float = 0.0
    done: bool = False
    """An init container that has succeeded, or a container that will not run again."""
    exit_code: int = 0
    environment: dict[str, str] = {}
    working_dir: str = ""
    keeper: Process = Process()
    """Has the other end of its standard input or terminal (`console.py`)."""
    terminal: bool = False


class SandboxRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One sandbox of a pod."""

    uid: str
    namespace: str
    name: str
    attempt: int
    container_id: str
    netns: str = ""
    """Where the network namespace is pinned; empty for a host-network pod."""
    addresses: tuple[str, ...] = ()
    init: Process = Process()
    containers: dict[str, ContainerRecord] = {}


def new_record(*, uid: str, namespace: str, name: str, attempt: int) -> SandboxRecord:
    """A sandbox that is about to be made, with a container id of its own."""
    return SandboxRecord(uid=uid, namespace=namespace, name=name, attempt=attempt, container_id=secrets.token_hex(32))


def save(node_dir: NodeDir, record: SandboxRecord) -> None:
    """Replace the file in one step; mode 0600, because environments may hold secrets."""
    folder = node_dir.pods / record.uid
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(folder / FILE, msgspec.json.encode(record))


def load(node_dir: NodeDir, uid: str) -> SandboxRecord | None:
    """The record of a pod, or None."""
    return _read(node_dir.pods / uid / FILE)


def load_all(node_dir: NodeDir) -> Iterator[SandboxRecord]:
    """Every record of the node, in the order of the uids."""
    for path in sorted(node_dir.pods.glob(f"*/{FILE}")):
        found = _read(path)
        if found is not None:
            yield found


def _read(path: Path) -> SandboxRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SandboxRecord)
    except (OSError, msgspec.DecodeError):
        return None
