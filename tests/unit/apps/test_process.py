"""The orderly end of a long-running process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[3] / "src"
PROGRAM = """
import asyncio, sys
from tandem.apps.process import until_told

async def run():
    try:
        {body}
    finally:
        print("ended", flush=True)

until_told(run)
"""


def start(body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        env={"PYTHONPATH": str(SRC)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_every_task_ends_where_it_waits(number: signal.Signals) -> None:
    with start("print('up', flush=True); await asyncio.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("ended\n", "", 0)


def test_a_process_whose_work_fails_ends_with_its_traceback() -> None:
    with start("raise RuntimeError('disk')") as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "RuntimeError: disk" in err


def test_what_the_world_refuses_ends_a_process_with_one_line() -> None:
    body = "from tandem.base.problems import DriverError; raise ExceptionGroup('', [DriverError('no room')])"
    with start(body) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (1, "")
    assert json.loads(out.splitlines()[-1])["error"] == "no room"


def test_a_process_whose_work_is_done_ends() -> None:
    with start("pass") as process:
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_facts_are_logged_as_json_lines() -> None:
    with start("import structlog; structlog.get_logger().info('listens', port=7)") as process:
        out, _ = process.communicate(timeout=20)
    assert '"port": 7' in out
    assert '"event": "listens"' in out


def test_a_log_that_cannot_be_written_does_not_end_the_process() -> None:
    body = "import structlog; structlog.get_logger().info('a fact', n=1); sys.stderr.write('goes on')"
    with Path("/dev/full").open("w") as full, Path("/dev/null").open() as null:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.replace('print("ended", flush=True)', "pass").format(body=body)],
            env={"PYTHONPATH": str(SRC)},
            stdin=null,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == "goes on"
    assert done.returncode == 0
