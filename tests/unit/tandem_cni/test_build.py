"""The courier as one file."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from tandem_cni.build import END, PERL, build

NO_PERL = "/nonexistent/perl"


def test_the_file_is_executable_and_runs_isolated(tmp_path: Path) -> None:
    build(tmp_path / "bin" / "tandem-cni", sys.executable, NO_PERL)
    made = tmp_path / "bin" / "tandem-cni"
    assert os.access(made, os.X_OK)
    assert made.read_bytes().startswith(f"#!{sys.executable} -IS\n".encode())
    assert subprocess.run([made], env={}, capture_output=True, check=False, text=True).stderr.startswith("tandem-cni")


def test_with_perl_the_same_script_comes_after_it(tmp_path: Path) -> None:
    build(tmp_path / "with", sys.executable)
    build(tmp_path / "without", sys.executable, NO_PERL)
    head, _, script = (tmp_path / "with").read_text().partition(END)
    assert head.startswith(f"#!{PERL}\n")
    plain = (tmp_path / "without").read_text().partition("\n")[2].rstrip().removesuffix(")")
    assert script.replace("\nimport sys\n", "").startswith(plain)


def test_perl_finds_no_fault_and_loads_no_module(tmp_path: Path) -> None:
    build(tmp_path / "tandem-cni", sys.executable)
    checked = [PERL, "-Mstrict", "-Mwarnings=FATAL,all", "-c", str(tmp_path / "tandem-cni")]
    assert subprocess.run(checked, capture_output=True, text=True, check=False).stderr.endswith("syntax OK\n")
    head = (tmp_path / "tandem-cni").read_text().partition(END)[0]
    assert not [line for line in head.splitlines() if line.startswith(("use ", "require "))]


def test_a_path_of_python_with_quotes_is_quoted_for_perl(tmp_path: Path) -> None:
    python = tmp_path / "it's \\here"
    python.symlink_to("/usr/bin/python3")
    build(tmp_path / "tandem-cni", str(python))
    done = subprocess.run([tmp_path / "tandem-cni"], env={}, capture_output=True, check=False, text=True)
    assert done.stderr.startswith("tandem-cni:")


def test_without_its_python_the_long_way_is_an_error_for_the_runtime(tmp_path: Path) -> None:
    build(tmp_path / "tandem-cni", str(tmp_path / "none"))
    done = subprocess.run([tmp_path / "tandem-cni"], env={}, capture_output=True, check=False, text=True)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, 5)


def test_only_the_courier_is_inside(tmp_path: Path) -> None:
    build(tmp_path / "tandem-cni", sys.executable, NO_PERL)
    call = (tmp_path / "tandem-cni").read_text().splitlines()[-1]
    sources = ast.literal_eval(call.removeprefix("run(").removesuffix(")"))
    modules = ["wire", "checks", "spool", "__main__"]
    assert list(sources) == ["tandem_cni", *(f"tandem_cni.{name}" for name in modules)]


def test_nothing_is_loaded_from_disk_for_what_is_plain(tmp_path: Path) -> None:
    build(tmp_path / "tandem-cni", sys.executable, NO_PERL)
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
