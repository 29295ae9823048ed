"""`tandem restart`: the processes of this machine begin anew with what is installed now, one after the other.

In: a running Tandem. Out: other processes over the same state; pods, links, rules and connections are never touched.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Final, TypeVar

import typer

from tandem.apps.cli import status
from tandem.apps.cli.output import as_json, check_format
from tandem.apps.cli.session import CommandError, with_client
from tandem.base import processes
from tandem.base.paths import RunDir
from tandem.ingest.errors import ApiError
from tandem.runtime.supervisor import MODULES, is_ours
from tandem.runtime.teardown import running

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds that a process may take to be back."""
_UNKNOWN: Final[dict[str, Any]] = {"ready": False, "agent": {"connected": False, "pid": 0}, "envoy": {"pid": 0}}
"""A node of which nobody tells anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """One process that is another now; `envoy` and `envoy_before` are pids, of agents only."""

    role: str
    node: str = ""
    pid: int
    envoy: int = 0
    envoy_before: int = 0


def restart(
    output: Annotated[str, typer.Option("-o", "--output", help="text or json.", metavar="FORMAT")] = "text",
) -> int:
    """Start control, agents and runtimes anew with what is installed now, after an upgrade; nothing else is touched.

    Pods and their connections go on. An agent that finds another Envoy installed lets it take over from the one that
    runs: no connection is refused and no request fails. Connections that do not end by themselves have ten minutes.

    Example: tandem restart
    """
    check_format(output, ("text", "json"))
    if os.geteuid() != 0:
        raise CommandError("root is needed to end processes: run it with sudo")
    run_dir = RunDir.default()
    if not running(run_dir):
        raise CommandError("tandem is not running; start it with: tandem up")
    done = []
    for one in _restart(run_dir):
        done.append(one)
        if output == "text":
            typer.echo(_line(one))
    if output == "json":
        typer.echo(as_json({"restarted": [asdict(one) for one in done]}))
    return 0


def _restart(run_dir: RunDir) -> Iterator[Restarted]:
    yield Restarted(role="control", pid=_another(run_dir, "control", ""))
    names = sorted(node["name"] for node in _until("the API", partial(_nodes, run_dir), bool))
    for name in names:
        if _process(run_dir, "agent", name):
            yield _agent(run_dir, name)
    for name in names:
        if _process(run_dir, "runtime", name):
            yield Restarted(role="runtime", node=name, pid=_another(run_dir, "runtime", name))


def _agent(run_dir: RunDir, name: str) -> Restarted:
    look = partial(_node, run_dir, name)
    before = _until(f"{name}: control", look, lambda node: node["agent"]["connected"] and node["envoy"]["pid"])
    pid = _another(run_dir, "agent", name)
    node = _until(f"{name}: agent", look, lambda node: node["agent"]["pid"] == pid and node["ready"])
    return Restarted(role="agent", node=name, pid=pid, envoy=node["envoy"]["pid"], envoy_before=before["envoy"]["pid"])


def _another(run_dir: RunDir, role: str, node: str) -> int:
    """End the process; the pid of the one that the supervisor starts in its place."""
    look = partial(_process, run_dir, role, node)
    before = _until(role, look, bool)
    if processes.end(before, grace=10.0):
        raise CommandError(f"{node or role}: process {before[0][0]} does not end")
    return _until(f"{node} {role}".strip(), look, lambda now: now and now != before)[0][0]


def _process(run_dir: RunDir, role: str, node: str) -> list[tuple[int, int]]:
    """(pid, start time) of the one process of that role, if it runs."""

    def matches(argv: list[str]) -> bool:
        here = MODULES[role] in argv and is_ours(argv, run_dir.root)
        return here and (not node or ("--node", node) in pairwise(argv))

    return list(processes.find(matches))


def _nodes(run_dir: RunDir) -> list[dict[str, Any]]:
    """Of `tandem status`; none while nobody answers."""
    with suppress(CommandError, ApiError):
        view = with_client(lambda client: client.request("GET", status.PATH), run_dir.kubeconfig)
        found: list[dict[str, Any]] = view["nodes"]
        return found
    return []


def _node(run_dir: RunDir, name: str) -> dict[str, Any]:
    return next((node for node in _nodes(run_dir) if node["name"] == name), _UNKNOWN)


def _until(what: str, look: Callable[[], T], holds: Callable[[T], object]) -> T:
    deadline = time.monotonic() + PATIENCE
    while not holds(found := look()):
        if time.monotonic() > deadline:
            raise CommandError(f"{what} is not back after {PATIENCE:.0f} s: see {RunDir.default().root}/*.log")
        time.sleep(0.1)
    return found


def _line(one: Restarted) -> str:
    name = f"{one.node}: {one.role}" if one.node else one.role
    if not one.envoy:
        return f"{name} restarted (pid {one.pid})"
    taken = one.envoy != one.envoy_before
    envoy = f"Envoy {one.envoy} takes over from {one.envoy_before}" if taken else f"Envoy {one.envoy} goes on"
    return f"{name} restarted (pid {one.pid}), {envoy}"
