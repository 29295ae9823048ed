"""Whether a namespace is somebody's, by the kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netns.podlab import lab
from tandem.drivers.link.occupancy import abandoned

pytestmark = pytest.mark.root


@pytest.fixture
def space(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A namespace with a runtime's path, and our pin of it."""
    with lab() as spaces:
        path, pin = spaces.add("pod"), tmp_path / "pin"
        pin.touch()
        subprocess.run(["mount", "--bind", path, pin], check=True)
        try:
            yield path, str(pin)
        finally:
            subprocess.run(["umount", "-l", pin], check=False)


def test_a_namespace_with_the_runtimes_path_is_somebodys(space: tuple[str, str]) -> None:
    assert abandoned([("c", space[0], space[1])]) == frozenset()


def test_without_path_and_process_nobody_has_it_though_our_pin_keeps_it(space: tuple[str, str]) -> None:
    subprocess.run(["ip", "netns", "delete", Path(space[0]).name], check=True)
    assert abandoned([("c", space[0], space[1]), ("d", "/nowhere", "")]) == {"c", "d"}


def test_a_path_that_leads_to_another_namespace_says_nothing(space: tuple[str, str]) -> None:
    assert abandoned([("c", "/proc/self/ns/net", space[1])]) == {"c"}


def test_a_process_in_it_is_enough(space: tuple[str, str]) -> None:
    program = "import sys; print(flush=True); sys.stdin.read()"
    inside = ["nsenter", f"--net={space[1]}", sys.executable, "-c", program]
    with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        subprocess.run(["ip", "netns", "delete", Path(space[0]).name], check=True)
        assert abandoned([("c", space[0], space[1])]) == frozenset()
        process.stdin.close()
    assert abandoned([("c", space[0], space[1])]) == {"c"}
