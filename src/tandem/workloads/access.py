"""How others reach a running container: the command line and environment of `tandem exec`.

In: a node's directory and a pod's uid. Out: what to execute; LookupError says why there is nothing to enter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tandem.base.paths import NodeDir
from tandem.workloads.record import load
from tandem.workloads.sandbox import exec_argv


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecCommand:
    """A command line that runs in the pod, and the container's environment for it."""

    argv: list[str]
    environment: dict[str, str]


def exec_command(node_dir: NodeDir, uid: str, container: str, command: Sequence[str]) -> ExecCommand:
    """`command` in the namespaces and with the capabilities of a running container (empty name: the first one)."""
    record = load(node_dir, uid)
    if record is None or not record.init.alive:
        raise LookupError("the pod has no running sandbox on this node")
    running = {name: c for name, c in record.containers.items() if c.process.alive}
    name = container or next(iter(running), "")
    if name not in running:
        raise LookupError(f"container {name!r} is not running" if name else "no container of the pod is running")
    found = running[name]
    argv = exec_argv(found.process, command, working_dir=found.working_dir)
    return ExecCommand(argv=argv, environment=found.environment)
