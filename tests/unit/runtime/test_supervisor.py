"""What runs under `tandem up`, and how it is found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tandem.base import processes
from tandem.base.paths import RunDir
from tandem.runtime.supervisor import MODULES, Task, is_ours, read_tasks, write_tasks

RUN = Path("/run/tandem")


@pytest.mark.parametrize("role", MODULES)
def test_every_process_of_ours_is_found_by_its_command_line(role: str) -> None:
    argv = Task(role=role, arguments=("--node", "n1"), log="x").argv(RUN)
    assert is_ours(argv, RUN)
    assert not is_ours(argv, Path("/run/other"))


def test_a_node_in_a_namespace_is_entered_and_found_also_while_entering() -> None:
    argv = Task(role="agent", arguments=(), log="x", netns="/run/netns/tandem-node-1").argv(RUN)
    assert argv[:2] == ["nsenter", "--net=/run/netns/tandem-node-1"]
    assert argv[2:5] == [sys.executable, "-m", "tandem.apps.agent"]
    assert is_ours(argv, RUN)


def test_the_dns_server_of_a_node_is_ours() -> None:
    assert is_ours(["/usr/sbin/unbound", "-d", "-p", "-c", "/run/tandem/nodes/node-1/dns.conf"], RUN)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["vi", "/run/tandem/control.log"],
        ["python", "-m", "tandem.apps.agent", "--run-dir"],
        ["python", "-m", "tandem.apps.agent", "--run-dir", "/run/tandem2"],
        ["envoy", "-c", "/etc/envoy.json"],
        ["/usr/sbin/unbound", "-d", "-c", "/etc/unbound/unbound.conf"],
        ["grep", "--run-dir", "/run/tandem", "log"],
        ["/usr/bin/tail", "-f", "/run/tandem/nodes/node-1/envoy.log"],
    ],
)
def test_other_peoples_processes_are_left_alone(argv: list[str]) -> None:
    assert not is_ours(argv, RUN)


def test_the_bgp_speaker_of_a_node_is_ours_and_no_other_is() -> None:
    assert is_ours(["/usr/sbin/bird", "-f", "-c", "/run/tandem/nodes/node-1/bgp.conf"], RUN)
    assert not is_ours(["/usr/sbin/bird", "-f", "-c", "/etc/bird/bird.conf"], RUN)


def test_envoy_is_ours_by_the_bootstrap_file_that_it_reads() -> None:
    assert is_ours(["/venv/bin/envoy", "-c", "/run/tandem/nodes/node-1/envoy.json"], RUN)
    assert not is_ours(["/venv/bin/envoy", "-c", "/run/other/nodes/node-1/envoy.json"], RUN)


def test_tasks_are_read_as_they_were_written(tmp_path: Path) -> None:
    tasks = (
        Task(role="control", arguments=("--api-port", "6443"), log="control.log"),
        Task(role="agent", arguments=("--node", "n1"), log="nodes/n1/agent.log", netns="/run/netns/x"),
    )
    write_tasks(RunDir(tmp_path), tasks)
    assert read_tasks(RunDir(tmp_path)) == tasks


STUB = """
import os, pathlib, sys, time
run_dir = pathlib.Path(sys.argv[sys.argv.index("--run-dir") + 1])
(run_dir / f"child-{os.getpid()}").touch()
time.sleep(60)
"""


@pytest.fixture
def stubbed(tmp_path: Path) -> Path:
    """A folder in which the module of the control process is a stub that only says that it is there."""
    package = tmp_path / "stubs"
    package.mkdir()
    (package / "stub_child.py").write_text(STUB)
    (package / "run.py").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from tandem.base.paths import RunDir\n"
        "from tandem.runtime import supervisor\n"
        "supervisor.MODULES['control'] = 'stub_child'\n"
        "supervisor.Supervisor(RunDir(Path(sys.argv[1])),"
        " (supervisor.Task(role='control', arguments=(), log='c.log'),)).run()\n"
    )
    return package


def wait_for(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_that_dies_is_started_again_and_sigterm_ends_all(stubbed: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    environment = {**os.environ, "PYTHONPATH": f"{Path('src').resolve()}:{stubbed}"}
    with subprocess.Popen(
        [sys.executable, str(stubbed / "run.py"), str(run_dir)], env=environment, stderr=subprocess.PIPE, text=True
    ) as supervisor:

        def children() -> list[int]:
            return [int(p.name.removeprefix("child-")) for p in run_dir.glob("child-*")]

        wait_for(children)
        (first,) = children()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: len(children()) == 2)
        (second,) = set(children()) - {first}
        supervisor.terminate()
        _, said = supervisor.communicate(timeout=20)
    assert said == "control ended with status -9; starts again\n"
    assert supervisor.returncode == 0
    assert processes.start_time(second) is None


def test_a_child_whose_log_cannot_be_opened_is_started_later(stubbed: Path, tmp_path: Path) -> None:
    """As when the disk is full."""
    run_dir = tmp_path / "run"
    (run_dir / "c.log").mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": f"{Path('src').resolve()}:{stubbed}"}
    with subprocess.Popen(
        [sys.executable, str(stubbed / "run.py"), str(run_dir)], env=environment, stderr=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stderr is not None
        assert "control cannot be started" in supervisor.stderr.readline()
        (run_dir / "c.log").rmdir()
        wait_for(lambda: list(run_dir.glob("child-*")))
        supervisor.terminate()
        supervisor.communicate(timeout=20)
