"""The courier as one file."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from tandem_cni.build import build


def test_the_file_is_executable_and_runs_isolated(tmp_path: Path) -> None:
    build(tmp_path / "bin" / "tandem-cni", sys.executable)
    made = tmp_path / "bin" / "tandem-cni"
    assert os.access(made, os.X_OK)
    assert made.read_bytes().startswith(f"#!{sys.executable} -IS\n".encode())
    assert subprocess.run([made], env={}, capture_output=True, check=False, text=True).stderr.startswith("tandem-cni")


def test_only_the_courier_is_inside(tmp_path: Path) -> None:
    build(tmp_path / "tandem-cni", sys.executable)
    call = (tmp_path / "tandem-cni").read_text().splitlines()[-1]
    sources = ast.literal_eval(call.removeprefix("run(").removesuffix(")"))
    modules = ["wire", "checks", "spool", "__main__"]
    assert list(sources) == ["tandem_cni", *(f"tandem_cni.{name}" for name in modules)]


def test_nothing_is_loaded_from_disk_for_what_is_plain(tmp_path: Path) -> None:
    build(tmp_path / "tandem-cni", sys.executable)
    quick = (tmp_path / "tandem-cni").read_text().partition("def message")[0]
    imports = {line for line in quick.splitlines() if line.startswith(("import", "from"))}
    assert imports == {"import posix", "import _socket"}


def test_a_running_file_is_replaced_and_not_written_into(tmp_path: Path) -> None:
    target = tmp_path / "tandem-cni"
    build(target, sys.executable)
    with target.open("rb") as running:
        before = os.fstat(running.fileno()).st_ino
        build(target, sys.executable)
        assert target.stat().st_ino != before
        assert running.read(2) == b"#!"
    assert [p.name for p in tmp_path.iterdir()] == ["tandem-cni"]
