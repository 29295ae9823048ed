"""`tandem down`, also after a crash: end every process of our sandboxes and unpin their namespaces.

In: a node's directory in any state. Out: lines for people; a line that starts with `left:` tells what remains. Works
from `sandbox.json`, from the marks that sandboxes bear where that was lost, and from the namespaces that processes are
really in, so that nothing that escaped its init stays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tandem.base import processes
from tandem.base.paths import NodeDir
from tandem.state.ownership import SANDBOX_VARIABLE
from tandem.workloads import netns
from tandem.workloads.record import Process, SandboxRecord, load_all

DEEPEST: Final = 32
"""As many PID namespaces as the kernel nests (pid_namespaces(7)): a process of a pod is found wherever it went."""


def sweep(node_dir: NodeDir) -> Iterator[str]:
    """Yield what was done. The runtime process of the node must have ended before."""
    known = list(load_all(node_dir))
    records = known + list(_lost(node_dir, known))
    victims = sorted({p for record in records for p in members(record)})
    stuck = processes.end(victims, grace=0.0)
    if victims:
        yield f"processes of pods ended: {len(victims) - len(stuck)}"
    yield from (f"left: process {pid}" for pid in stuck)
    removed = sum(netns.remove(Path(record.netns)) for record in records if record.netns)
    if removed:
        yield f"network namespaces removed: {removed}"
    for pin in netns.pinned(node_dir):
        yield f"left: {pin}: another program has mounted over {netns.DIRECTORY}; the name goes with the next boot"
    shutil.rmtree(node_dir.pods, ignore_errors=True)


def left_behind(node_dir: NodeDir) -> bool:
    """True if there is a sandbox to sweep."""
    known = list(load_all(node_dir))
    return bool(known) or any(True for _ in _lost(node_dir, known))


def _lost(node_dir: NodeDir, known: list[SandboxRecord]) -> Iterator[SandboxRecord]:
    """Sandboxes of this node that have no record any more."""
    pins = {r.netns for r in known}
    inits = {r.init.pid for r in known}
    for pin in netns.pinned(node_dir):
        if str(pin) not in pins:
            yield SandboxRecord(uid="", namespace="", name="", attempt=0, container_id="", netns=str(pin))
    mark = f"{SANDBOX_VARIABLE}={node_dir.pods}/".encode()
    inits_of_pods = processes.find(lambda argv: bool(argv) and Path(argv[0]).name == "catatonit", below=1)
    for pid, started in inits_of_pods:
        if pid not in inits and any(v.startswith(mark) for v in _environment(pid)):
            init = Process(pid=pid, started=started)
            yield SandboxRecord(uid="", namespace="", name="", attempt=0, container_id="", init=init)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def members(record: SandboxRecord) -> Iterator[tuple[int, int]]:
    """(pid, start time) of the sandbox's init and of every process in its network, PID or mount namespace."""
    wanted = {("net", netns.inode(Path(record.netns))) if record.netns else ("net", None)}
    if record.init.alive:
        yield record.init.pid, record.init.started
        wanted |= {(kind, _inode(record.init.pid, kind)) for kind in ("pid", "mnt")}
    wanted = {(kind, found) for kind, found in wanted if found}
    for pid, started in processes.find(lambda _: True, below=DEEPEST):
        if any(_inode(pid, kind) == found for kind, found in wanted):
            yield pid, started
    for container in record.containers.values():
        if container.process.alive:
            yield container.process.pid, container.process.started


def _inode(pid: int, kind: str) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino  # noqa: PTH116 - a link that only stat can follow
    except OSError:
        return None
