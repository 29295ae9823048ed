"""Processes of ours, told apart from others by pid and start time, or by their command line."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which `pid` started (proc(5), stat field 22); None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] == "Z":  # a zombie runs nothing any more
        return None
    return int(fields[19])


def alive(pid: int, started: int) -> bool:
    """True if `pid` is still the process that started then, and not another one that got its number."""
    return start_time(pid) == started


def find(matches: Callable[[list[str]], bool], *, below: int = 0) -> Iterator[tuple[int, int]]:
    """(pid, start time) of every process whose command line `matches`, in our PID namespace or up to `below` deeper.

    A container on this machine may run the same commands over a path of the same name: those are not ours.
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid() or _depth(entry) > below:
            continue
        try:
            raw = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        started = start_time(int(entry.name))
        if started is not None and matches([a.decode(errors="replace") for a in raw.split(b"\0")[:-1]]):
            yield int(entry.name), started


def _depth(entry: Path) -> int:
    """How many PID namespaces below ours the process lives (proc(5), NSpid); 0 for one that is gone."""
    try:
        status = (entry / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    numbers = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return max(0, len(numbers) - 1)


def end(processes: list[tuple[int, int]], *, grace: float) -> list[int]:
    """SIGTERM, wait up to `grace` seconds, SIGKILL; returns the pids that would not go within another two seconds."""
    for pid, started in processes:
        _signal(pid, started, signal.SIGTERM)
    if left := _wait(processes, grace):
        for pid, started in left:
            _signal(pid, started, signal.SIGKILL)
        left = _wait(left, 2.0)
    return [pid for pid, _ in left]


def _signal(pid: int, started: int, number: signal.Signals) -> None:
    if alive(pid, started):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def _wait(processes: list[tuple[int, int]], seconds: float) -> list[tuple[int, int]]:
    deadline = time.monotonic() + seconds
    left = [p for p in processes if alive(*p)]
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = [p for p in left if alive(*p)]
    return left
