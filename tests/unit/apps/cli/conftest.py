"""The command line against an embedded API server of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from apiserving import RunningServer
from tandem.apps.cli.main import run


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("run")) as running:
        yield running


@pytest.fixture
def tandem(
    server: RunningServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """`tandem("get", "pods")`: exit status, stdout, stderr."""
    monkeypatch.setenv("TANDEM_RUN_DIR", str(server.directory))

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        try:
            status = run(arguments)
        except SystemExit as err:
            status = int(err.code or 0)
        return Outcome(status, *capfd.readouterr())

    return call


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[..., str]:
    """Writes objects to a file; returns its path."""

    def write(*objects: dict[str, Any], name: str = "m.yaml") -> str:
        file = tmp_path / name
        file.write_text(yaml.safe_dump_all(objects, sort_keys=False))
        return str(file)

    return write
