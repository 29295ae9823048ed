"""API server and control in one process, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tandem.apps import control
from tandem.apps.control import Place, Server
from tandem.base.paths import RunDir
from tandem.cluster.networks import SERVICES
from tandem.ingest.errors import ApiError
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.runtime.api import ROOT
from tandem.runtime.cluster import Shares


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server(root: Path, port: int = 0) -> Server:
    return Server(Place(RunDir(root), port), shares=Shares(), services=SERVICES)


def with_server(root: Path, scene: Callable[[RunDir, KubeClient], Awaitable[None]]) -> None:
    run_dir = RunDir(root)

    async def play() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(server(root, free_port()).run())
            while not run_dir.kubeconfig.exists():  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.01)
            async with KubeClient.from_kubeconfig(run_dir.kubeconfig) as client:
                await scene(run_dir, client)
            running.cancel()

    asyncio.run(play())


async def status(client: KubeClient) -> dict[str, Any]:
    while True:
        with contextlib.suppress(ApiError):  # 503: it is starting
            return await client.request("GET", f"{ROOT}/status")
        await asyncio.sleep(0.01)


def test_the_views_answer_beside_the_api_and_secrets_are_for_their_owner(tmp_path: Path) -> None:
    async def scene(run_dir: RunDir, client: KubeClient) -> None:
        assert (await status(client))["nodes"] == []
        assert (await client.get(BY_KIND["Secret"], "tandem-system", "tandem-ca"))["type"] == "kubernetes.io/tls"
        for path in (run_dir.kubeconfig, run_dir.database, run_dir.control_socket):
            assert path.stat().st_mode & 0o077 == 0

    with_server(tmp_path, scene)


def test_a_field_without_effect_is_named_when_it_is_written(tmp_path: Path) -> None:
    async def scene(run_dir: RunDir, client: KubeClient) -> None:
        await status(client)
        said: list[str] = []
        raw = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s", "namespace": "default"},
            "spec": {"type": "LoadBalancer", "loadBalancerClass": "example.com/x", "ports": [{"port": 80}]},
        }
        async with KubeClient.from_kubeconfig(run_dir.kubeconfig, on_warning=said.append) as user:
            await user.create(BY_KIND["Service"], raw)
        assert said == ["spec.loadBalancerClass: has no effect: an implementation of this class must give the address"]

    with_server(tmp_path, scene)


def test_a_policy_is_advised_about_when_it_is_created(tmp_path: Path) -> None:
    async def scene(run_dir: RunDir, client: KubeClient) -> None:
        await status(client)
        said: list[str] = []
        raw = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "p", "namespace": "default"},
            "spec": {"podSelector": {}, "ingress": [{"from": []}]},
        }
        async with KubeClient.from_kubeconfig(run_dir.kubeconfig, on_warning=said.append) as user:
            await user.create(BY_KIND["NetworkPolicy"], raw)
        assert "every source" in "".join(said)

    with_server(tmp_path, scene)


def test_a_control_that_restarts_keeps_objects_and_authority(tmp_path: Path) -> None:
    kept: list[Any] = []

    async def scene(_: RunDir, client: KubeClient) -> None:
        await status(client)
        while not (pools := (await client.list(BY_KIND["IPPool"]))[0]):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
        secret = await client.get(BY_KIND["Secret"], "tandem-system", "tandem-ca")
        kept.append((secret["data"], [(p["metadata"]["uid"], p["spec"]["cidr"]) for p in pools]))

    with_server(tmp_path, scene)
    RunDir(tmp_path).kubeconfig.unlink()
    with_server(tmp_path, scene)
    assert kept[0] == kept[1]
    assert [cidr for _, cidr in kept[0][1]] == ["10.244.0.0/16"]


def test_before_control_runs_nobody_is_advised(tmp_path: Path) -> None:
    assert server(tmp_path)._advise({"kind": "NetworkPolicy"}) == []


def test_the_command_line_needs_a_run_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["control"])
    with pytest.raises(SystemExit) as ended:
        control.main()
    assert ended.value.code == 2
