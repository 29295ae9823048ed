"""`tandem down` in any state; in namespaces of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alone import alone
from tandem.base.paths import RunDir
from tandem.runtime import teardown


def test_nothing_runs_in_a_directory_that_nobody_used(tmp_path: Path) -> None:
    assert not teardown.running(RunDir(tmp_path))


def test_a_supervisor_of_this_run_directory_is_seen(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
    words = ["-m", "tandem.runtime.supervisor", "--run-dir", str(tmp_path)]
    with subprocess.Popen([*program, *words], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert teardown.running(RunDir(tmp_path))
        assert not teardown.running(RunDir(tmp_path / "other"))
        process.kill()
    assert not teardown.running(RunDir(tmp_path))


def _after_a_crash(run_dir: str) -> dict[str, object]:
    import asyncio
    import subprocess
    import sys
    from pathlib import Path

    from tandem.base.paths import RunDir
    from tandem.drivers.link.real import KernelLinks
    from tandem.drivers.nft.plan import plan
    from tandem.drivers.nft.real import Libnftables
    from tandem.runtime import sysctls, teardown
    from tandem.runtime.kernelstate import difference, picture
    from tandem.state import nft
    from tandem.state.links import NodeNet

    root = Path(run_dir)
    Path("/run/netns").mkdir()
    before = picture(root / "none")
    directory = RunDir(root)
    node = directory.node("node-1")
    node.root.mkdir(parents=True)

    async def agent() -> None:
        links = KernelLinks(node.netns)
        sysctls.remember(node, await links.set_sysctls(sysctls.WANTED))
        await links.apply_node(NodeNet(addresses=("10.244.0.1",), routes=()))
        await links.close()

    asyncio.run(agent())
    table = Libnftables()
    table.apply(plan(table.read(), nft.ruleset()))
    program = [sys.executable, "-c", "import time; time.sleep(60)", "-m", "tandem.apps.agent", "--run-dir", run_dir]
    lost = subprocess.Popen(program)
    changed = difference(before, picture(root / "none"))
    lines = list(teardown.down(directory))
    left = difference(before, picture(root / "none"))
    return {
        "changed": len(changed),
        "lines": lines,
        "left": left,
        "status": lost.wait(5),
        "there": root.exists(),
        "again": list(teardown.down(directory)),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return alone(_after_a_crash, str(tmp_path_factory.mktemp("run")))


@pytest.mark.root
def test_after_a_crash_nothing_of_ours_is_left(told: Any) -> None:
    assert told["changed"] >= 3
    assert told["left"] == []
    assert not told["there"]


@pytest.mark.root
def test_a_process_without_a_supervisor_is_ended(told: Any) -> None:
    assert told["status"] == -15
    assert told["lines"][0] == "processes ended"


@pytest.mark.root
def test_every_step_is_told_and_none_failed(told: Any) -> None:
    assert "node-1: nftables table removed" in told["lines"]
    assert not [line for line in told["lines"] if "left: " in line]


@pytest.mark.root
def test_taking_down_what_is_down_is_no_mistake(told: Any) -> None:
    assert not [line for line in told["again"] if "left: " in line]
