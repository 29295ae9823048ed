"""Finding Envoy, and pid files that are damaged; the process itself is in tests/netns/test_envoy_process.py."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings, find_envoy


def test_the_binary_is_the_one_of_the_package() -> None:
    assert os.access(find_envoy(), os.X_OK)
    assert find_envoy().name == "envoy"


@pytest.mark.parametrize("text", ["", "12345", '{"pid": "x"}'])
def test_stopping_with_a_damaged_pid_file_removes_it(tmp_path: Path, text: str) -> None:
    paths = NodeDir(tmp_path)
    paths.envoy_pid.write_text(text)
    asyncio.run(EnvoyProcess(EnvoySettings(node_id="n1", paths=paths)).stop())
    assert not paths.envoy_pid.exists()
