"""The end of a process and of everything that it started: its descendants, and whoever is in its session.

In: a process that led a session of its own from its start. A daemon that has left both the session and its parents is
not found: it belongs to its container, and ends with that.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tandem.workloads.record import Process


class _Stat(NamedTuple):
    """Of /proc/<pid>/stat (proc(5), fields 4, 6 and 22)."""

    parent: int
    session: int
    started: int


def members(leader: Process) -> frozenset[Process]:
    """All of them, as far as they are there now."""
    table = _processes()
    own = table.get(leader.pid)
    if own is not None and own.started != leader.started:  # the number is another one's by now, and so is its session
        return frozenset()
    found = {pid for pid, stat in table.items() if leader.pid in {pid, stat.session}}
    while more := {pid for pid, stat in table.items() if stat.parent in found} - found:
        found |= more
    return frozenset(Process(pid=pid, started=table[pid].started) for pid in found)


def end(leader: Process) -> None:
    """SIGKILL to all of them. First they are stopped, until no new one is found: what is stopped starts nothing."""
    stopped: frozenset[Process] = frozenset()
    while new := members(leader) - stopped:
        _signal(new, signal.SIGSTOP)
        stopped |= new
    _signal(stopped, signal.SIGKILL)


def _signal(processes: frozenset[Process], number: signal.Signals) -> None:
    for process in processes:
        if process.alive:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _processes() -> dict[int, _Stat]:
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed
        if not entry.isdigit():
            continue
        with suppress(OSError):
            text = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
            fields = text.rpartition(")")[2].split()
            if fields[0] != "Z":
                found[int(entry)] = _Stat(int(fields[1]), int(fields[3]), int(fields[19]))
    return found
