"""A real Envoy across agent restarts: adoption, replacement, and a bootstrap that it takes."""

# ruff: noqa: ASYNC110, ASYNC240 - another process is polled, and test directories are small
from __future__ import annotations

import asyncio
import mmap
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.drivers.envoy import handover
from tandem.drivers.envoy.bootstrap import bootstrap_json
from tandem.drivers.envoy.port import ProxyError
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings, find_envoy
from tandem.drivers.xds.server import XdsServer
from tandem.state.xds import CLUSTER, LISTENER, ORDER

pytestmark = pytest.mark.root


def envoy(paths: NodeDir, concurrency: int = 1, linger: int = 1) -> EnvoyProcess:
    return EnvoyProcess(EnvoySettings(node_id="n1", paths=paths, concurrency=concurrency, linger=linger))


def play(tmp_path: Path, scene: Callable[[NodeDir], Awaitable[None]]) -> None:
    async def whole() -> None:
        paths = NodeDir(tmp_path)
        server = XdsServer(paths.xds_socket, ORDER)
        server.publish("n1", {CLUSTER: {}, LISTENER: {}})
        await server.start()
        try:
            async with asyncio.timeout(60):
                await scene(paths)
        finally:
            await envoy(paths).stop()
            await server.stop()

    asyncio.run(whole())


def test_envoy_takes_the_bootstrap(tmp_path: Path) -> None:
    config = tmp_path / "envoy.json"
    config.write_bytes(bootstrap_json("n1", NodeDir(tmp_path)))
    subprocess.run([find_envoy(), "--mode", "validate", "-c", config, "-l", "error"], check=True, capture_output=True)


def test_a_new_agent_adopts_the_envoy_of_the_old_one(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        old, new = envoy(paths), envoy(paths)
        await old.start()
        await old.wait_ready(30)
        await new.start()
        status = await new.status()
        assert (status.pid, status.adopted, status.ready, status.version) == (old.pid, True, True, "1.40.0")

    play(tmp_path, scene)


def test_an_adopted_envoy_is_started_again_when_it_dies(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        old, new = envoy(paths), envoy(paths)
        await old.start()
        await old.wait_ready(30)
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(new.run())
            while not new.pid:
                await asyncio.sleep(0.01)
            before = new.pid
            os.kill(before, 9)
            while new.pid in {0, before}:
                await asyncio.sleep(0.01)
            await new.wait_ready(30)
            assert not (await new.status()).adopted
            keeper.cancel()

    play(tmp_path, scene)


def test_an_envoy_that_was_started_otherwise_hands_over_and_ends(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        old, new = envoy(paths), envoy(paths, concurrency=2)
        await old.start()
        await old.wait_ready(30)
        before = old.pid
        await new.start()
        assert new.pid not in {0, before}
        assert old.pid == before
        await new.wait_ready(30)
        assert (await new.admin.server_info())["command_line_options"]["restart_epoch"] == 1
        while old.pid:
            await asyncio.sleep(0.05)
        assert new.pid

    play(tmp_path, scene)


def test_when_a_successor_dies_both_end_and_one_begins_afresh(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        old, new = envoy(paths), envoy(paths, concurrency=2, linger=600)
        await old.start()
        await old.wait_ready(30)
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(new.run())
            while new.pid == 0:
                await asyncio.sleep(0.01)
            await new.wait_ready(30)
            heir = new.pid
            os.kill(heir, 9)
            while new.pid in {0, heir}:
                await asyncio.sleep(0.01)
            assert old.pid == 0
            await new.wait_ready(30)
            assert (await new.admin.server_info())["command_line_options"]["restart_epoch"] == 0
            keeper.cancel()

    play(tmp_path, scene)


def test_stopping_ends_the_one_before_too_and_leaves_no_memory(tmp_path: Path) -> None:
    memory = set(handover.MEMORY.iterdir())

    async def scene(paths: NodeDir) -> None:
        old, new = envoy(paths), envoy(paths, concurrency=2, linger=600)
        await old.start()
        await old.wait_ready(30)
        await new.start()
        await new.wait_ready(30)
        assert len(list(tmp_path.glob("hot_*"))) == 8
        await envoy(paths).stop()
        assert (old.pid, new.pid) == (0, 0)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["envoy.log", "xds.sock"]

    play(tmp_path, scene)
    assert set(handover.MEMORY.iterdir()) == memory


def test_a_foreign_process_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        paths.envoy_pid.write_text(f'{{"pid":{os.getpid()},"start_time":1,"started_with":"x"}}')
        process = envoy(paths)
        await process.start()
        assert process.pid not in {0, os.getpid()}

    play(tmp_path, scene)


def test_stopping_leaves_no_file_but_the_log(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        process = envoy(paths)
        await process.start()
        await process.wait_ready(30)
        await process.stop(drain=0.1)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["envoy.log", "xds.sock"]

    play(tmp_path, scene)


def test_an_envoy_that_cannot_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        settings = EnvoySettings(node_id="n1", paths=paths, binary=Path("/bin/false"))
        process = EnvoyProcess(settings)
        await process.start()
        with pytest.raises(ProxyError, match=r"not running.*envoy\.log"):
            await process.wait_ready(0.3)
        missing = EnvoyProcess(EnvoySettings(node_id="n1", paths=paths, binary=tmp_path / "nowhere"))
        with pytest.raises(ProxyError, match="nowhere: No such file"):
            await missing.start()

    play(tmp_path, scene)


def test_admin_answers_over_its_socket(tmp_path: Path) -> None:
    async def scene(paths: NodeDir) -> None:
        process = envoy(paths)
        await process.start()
        await process.wait_ready(30)
        assert (await process.admin.server_info())["state"] == "LIVE"
        assert any(c["name"] == "agent" for c in (await process.admin.clusters())["cluster_statuses"])
        assert (await process.admin.stats("server."))["server.live"] == 1

    play(tmp_path, scene)


def test_the_build_has_no_peak_ewma() -> None:
    """Once it has, the balancer is to be offered, and no longer refused (`model/schemas/walk.py`)."""
    with find_envoy().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        found = {
            name: text.find(f"envoy.load_balancing_policies.{name}".encode()) > 0 for name in ("maglev", "peak_ewma")
        }
    assert found == {"maglev": True, "peak_ewma": False}
