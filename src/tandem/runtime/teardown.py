"""`tandem down` without its paint: end every process, take everything out of the kernel, remove the run directory.

In: a run directory, in any state (a crash, a lost file). Out: nothing of ours is left; what could not be removed is
told. Needs no running process of ours and no API.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tandem.base import processes
from tandem.base.paths import NodeDir, RunDir
from tandem.runtime import cni_host, node_teardown, underlay
from tandem.runtime.supervisor import MODULES, is_ours
from tandem.workloads import netns
from tandem.workloads.sweep import left_behind


def running(run_dir: RunDir) -> bool:
    """True while a supervisor of this run directory is alive."""
    return bool(list(processes.find(lambda a: MODULES["supervisor"] in a and is_ours(a, run_dir.root))))


def traces(run_dir: RunDir) -> bool:
    """True if an earlier run left its directory, a process or a pod."""
    ours = processes.find(lambda argv: is_ours(argv, run_dir.root))
    return run_dir.root.exists() or any(True for _ in ours) or any(left_behind(n) for n in _nodes(run_dir))


def down(run_dir: RunDir) -> Iterator[str]:
    """Yield a line for each step; a line that starts with `left:` tells what could not be removed."""
    yield from cni_host.uninstall(run_dir)  # first: no other runtime shall ask an agent that goes away
    stuck = _end(run_dir, supervisor=True)
    stuck += _end(run_dir, supervisor=False)
    yield "processes ended"
    yield from (f"left: process {pid}" for pid in stuck)
    apart = underlay.exists()
    for node in _nodes(run_dir):
        lines = [*node_teardown.end_pods(node), *([] if apart else node_teardown.remove_from_kernel(node))]
        yield from (f"{node.root.name}: {line}" for line in lines)
    yield from underlay.remove(run_dir.root)
    netns.leave_directory()
    if run_dir.root.exists():
        shutil.rmtree(run_dir.root)
        yield f"{run_dir.root} removed"


def _nodes(run_dir: RunDir) -> list[NodeDir]:
    """Every node that has a directory or a namespace; node-1 where all was lost: its kernel state may be there."""
    names = {node.root.name for node in run_dir.nodes()}
    return [run_dir.node(n) for n in sorted(names.union(underlay.left())) or ["node-1"]]


def _end(run_dir: RunDir, *, supervisor: bool) -> list[int]:
    """The supervisor first, or it would start the others again."""

    def matches(argv: list[str]) -> bool:
        return is_ours(argv, Path(run_dir.root)) and (not supervisor or MODULES["supervisor"] in argv)

    return processes.end(list(processes.find(matches)), grace=6.0)
