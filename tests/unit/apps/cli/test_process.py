"""The hidden names of the processes."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("role", ["control", "agent", "runtime"])
def test_arguments_reach_the_process_unread(role: str) -> None:
    command = [sys.executable, "-m", "tandem.apps.cli.main", role, "--", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "src"}, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--run-dir" in done.stdout
