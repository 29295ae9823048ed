"""Keeps the processes of `tandem up` running: starts them, restarts what dies, stops when told to.

In: a run directory with `up.json` (what to run). Out: running processes and `supervisor.log`. Owns no kernel state, so
that killing it loses nothing: `tandem down` finds every process by its command line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Final

from tandem.base.paths import RunDir

MODULES: Final = {
    "control": "tandem.apps.control",
    "agent": "tandem.apps.agent",
    "runtime": "tandem.apps.runtime",
    "supervisor": "tandem.runtime.supervisor",
}
_BACKOFF: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One process: its role, its arguments, its log, and the network namespace of its node (empty: this one)."""

    role: str
    arguments: tuple[str, ...]
    log: str
    netns: str = ""

    def argv(self, run_dir: Path) -> list[str]:
        """The command line; role and run directory in it are what `tandem down` looks for."""
        enter = ["nsenter", f"--net={self.netns}"] if self.netns else []
        return [*enter, sys.executable, "-m", MODULES[self.role], "--run-dir", str(run_dir), *self.arguments]


@dataclass(slots=True)
class _Child:
    task: Task
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0


class Supervisor:
    """Runs tasks until stopped."""

    def __init__(self, run_dir: RunDir, tasks: tuple[Task, ...]) -> None:
        self._root = run_dir.root
        self._children = [_Child(task) for task in tasks]
        self._stopping = False

    def run(self) -> None:
        """Start everything at once, then watch; returns after SIGTERM or SIGINT, when all children have gone."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self._stopping:
            now = time.monotonic()
            for child in self._children:
                self._look_after(child, now)
            time.sleep(0.1)
        self._end()

    def _look_after(self, child: _Child, now: float) -> None:
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            child.failures = 0 if now - child.started > 30 else child.failures
            child.process = None
            self._put_off(child, now, f"ended with status {code}")
        if now >= child.due:
            try:
                with (self._root / child.task.log).open("ab") as log:
                    child.process = subprocess.Popen(
                        child.task.argv(self._root), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
            except OSError as error:  # a full disk, or no memory: both may pass
                self._put_off(child, now, f"cannot be started: {error}")
            child.started = now

    def _put_off(self, child: _Child, now: float, why: str) -> None:
        child.failures += 1
        child.due = now + _BACKOFF[min(child.failures, len(_BACKOFF) - 1)]
        self._say(f"{child.task.role} {why}; starts again")

    def _end(self) -> None:
        for child in self._children:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + 5
        for child in self._children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _say(self, text: str) -> None:
        with suppress(OSError):  # a full disk costs the line, not the processes
            os.write(2, f"{text}\n".encode())


def write_tasks(run_dir: RunDir, tasks: tuple[Task, ...]) -> None:
    """Record what to run, for the supervisor process that is started next."""
    raw = [{"role": t.role, "arguments": list(t.arguments), "log": t.log, "netns": t.netns} for t in tasks]
    run_dir.state.write_text(json.dumps({"tasks": raw}, indent=1), encoding="utf-8")


def read_tasks(run_dir: RunDir) -> tuple[Task, ...]:
    """What `write_tasks` recorded."""
    raw = json.loads(run_dir.state.read_text(encoding="utf-8"))
    return tuple(
        Task(role=t["role"], arguments=tuple(t["arguments"]), log=t["log"], netns=t["netns"]) for t in raw["tasks"]
    )


def spawn(run_dir: RunDir) -> int:
    """Start the supervisor as a process of its own session, which outlives the command; returns its pid."""
    with (run_dir.root / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULES["supervisor"], "--run-dir", str(run_dir.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    return process.pid


def is_ours(argv: list[str], run_dir: Path) -> bool:
    """True if a command line is one of our processes over this run directory: any role, and the daemons of agents."""
    if not argv:
        return False
    here = str(run_dir)
    if any(m in argv for m in MODULES.values()):
        return any(a == "--run-dir" and b == here for a, b in pairwise(argv))
    return Path(argv[0]).name in {"envoy", "unbound", "bird", "wireguard-go"} and any(
        a.startswith(f"{here}/nodes/") for a in argv
    )


if __name__ == "__main__":
    directory = RunDir(Path(sys.argv[sys.argv.index("--run-dir") + 1]))
    Supervisor(directory, read_tasks(directory)).run()
