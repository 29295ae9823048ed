"""The fake Proxy and the real Envoy keep the same promises."""

# ruff: noqa: ASYNC110 - another process is polled, and test directories are small
from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.envoy.fake import FakeProxy
from tandem.drivers.envoy.port import Proxy, ProxyError
from tandem.drivers.envoy.process import EnvoyProcess, EnvoySettings
from tandem.drivers.xds.server import XdsServer
from tandem.state.xds import CLUSTER, LISTENER, ORDER

Scene = Callable[[Proxy, Callable[[], None]], Awaitable[None]]


@asynccontextmanager
async def real(tmp_path: Path) -> AsyncIterator[tuple[Proxy, Callable[[], None]]]:
    paths = NodeDir(tmp_path)
    server = XdsServer(paths.xds_socket, ORDER)
    server.publish(None, {CLUSTER: {}, LISTENER: {}})
    await server.start()
    proxy = EnvoyProcess(EnvoySettings(node_id="n1", paths=paths, concurrency=1))
    try:
        yield proxy, lambda: os.kill(proxy.pid, signal.SIGKILL)
    finally:
        await proxy.stop()
        await server.stop()


@asynccontextmanager
async def fake(_: Path) -> AsyncIterator[tuple[Proxy, Callable[[], None]]]:
    proxy = FakeProxy()
    yield proxy, proxy.die


@pytest.fixture(params=[real, fake], ids=["real", "fake"])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scene], None]:
    async def timed(scene: Scene) -> None:
        async with asyncio.timeout(60), request.param(tmp_path) as (proxy, kill):
            await scene(proxy, kill)

    return lambda scene: asyncio.run(timed(scene))


def test_it_starts_once_and_becomes_ready(play: Callable[[Scene], None]) -> None:
    async def scene(proxy: Proxy, _: Callable[[], None]) -> None:
        assert (await proxy.status()).pid == 0
        await proxy.start()
        await proxy.wait_ready(30)
        first = await proxy.status()
        await proxy.start()
        assert (await proxy.status()).pid == first.pid != 0
        assert first.ready
        assert first.version
        assert not first.adopted

    play(scene)


def test_it_is_started_again_when_it_dies(play: Callable[[Scene], None]) -> None:
    async def scene(proxy: Proxy, kill: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(proxy.run())
            await proxy.wait_ready(30)
            before = await proxy.status()
            kill()
            while (after := await proxy.status()).pid in {0, before.pid}:
                await asyncio.sleep(0.01)
            await proxy.wait_ready(30)
            assert after.restarts == before.restarts + 1
            keeper.cancel()

    play(scene)


def test_stopping_twice_is_stopping(play: Callable[[Scene], None]) -> None:
    async def scene(proxy: Proxy, _: Callable[[], None]) -> None:
        await proxy.stop()
        await proxy.start()
        await proxy.stop()
        await proxy.stop()
        assert (await proxy.status()).pid == 0

    play(scene)


def test_what_does_not_run_is_not_ready(play: Callable[[Scene], None]) -> None:
    async def scene(proxy: Proxy, _: Callable[[], None]) -> None:
        with pytest.raises(ProxyError, match="not running"):
            await proxy.wait_ready(0.05)

    play(scene)


def test_who_turns_clients_away_is_ready_all_the_same(play: Callable[[Scene], None]) -> None:
    async def scene(proxy: Proxy, _: Callable[[], None]) -> None:
        with pytest.raises(DriverError):
            await proxy.turn_away(clients=True)
        await proxy.start()
        await proxy.wait_ready(30)
        for clients in (True, False, False):
            await proxy.turn_away(clients=clients)
            assert (await proxy.status()).ready

    play(scene)


def test_it_lives_on_when_its_keeper_is_cancelled(play: Callable[[Scene], None]) -> None:
    async def scene(proxy: Proxy, _: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(proxy.run())
            await proxy.wait_ready(30)
            keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        assert (await proxy.status()).pid

    play(scene)
