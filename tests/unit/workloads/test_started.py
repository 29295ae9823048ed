"""Programs on record: those of an earlier server end, and nobody else's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tandem.base import processes
from tandem.base.paths import NodeDir
from tandem.workloads.record import Process
from tandem.workloads.started import end_all, folder_of, note


def test_who_is_on_record_and_runs_is_ended_with_what_it_began(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    folder = folder_of(node, "u")
    folder.parent.mkdir(parents=True)
    script = "sleep 300 & echo ready; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        mine = Process(pid=program.pid, started=processes.start_time(program.pid) or 0)
        note(folder, mine)
        note(folder, Process(pid=os.getpid(), started=1))  # a number that is another process' by now
        assert end_all([node]) == [mine]
        assert program.stdout.read() == b""
    assert list(folder.iterdir()) == []
    assert end_all([node]) == []


def test_nothing_is_made_for_a_pod_that_is_gone(tmp_path: Path) -> None:
    path = note(folder_of(NodeDir(tmp_path), "u"), Process(pid=1, started=1))
    assert not path.parent.parent.exists()
