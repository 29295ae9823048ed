"""The process runtime on the real kernel: probes, what containers leave behind, faults of the runtime itself."""

# ruff: noqa: ASYNC110 - the story is told on a loop that has nothing else to do
from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from netns.runtimelab import POD, Lab, is_ready, pod, run, state
from tandem.model import core
from tandem.model.images import Image
from tandem.model.meta import RawObject
from tandem.workloads.environment import arguments

pytestmark = pytest.mark.root


def test_a_startup_probe_holds_the_others_back_and_its_success_lets_them_begin(tmp_path: Path) -> None:
    container = {
        "startupProbe": {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1, "failureThreshold": 1},
        "readinessProbe": {"exec": {"command": ["true"]}},
    }

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", lambda p: state(p)["state"].get("running"))
            assert not state(web)["started"]
            assert not is_ready(web)
            await lab.run_in(web, "touch", "/tmp/up")
            web = await lab.ready("web")
            assert state(web)["started"]
            assert state(web)["restartCount"] == 0

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000013-a", container=container))


def test_exec_probes_see_the_containers_volumes_also_after_an_adoption(tmp_path: Path) -> None:
    probe = {"exec": {"command": ["sh", "-c", 'test -e /data/ok && test "$WHO" = me && pwd | grep -qx /data']}}
    container = {
        "env": [{"name": "WHO", "value": "me"}],
        "workingDir": "/data",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {**probe, "periodSeconds": 1, "failureThreshold": 1},
    }

    async def story(lab: Lab) -> None:
        async with lab.running():
            await lab.ready("web")
        async with lab.running():
            await lab.kube.patch(POD, "shop", "web", {"status": {"phase": "Unknown"}}, subresource="status")
            await lab.until("web", lambda p: p["status"]["phase"] == "Running" and is_ready(p))

    volumes = [{"name": "data", "emptyDir": {}}]
    run(
        tmp_path,
        story,
        pod("web", "sh", "-c", "touch ok; sleep 60", uid="00000014-a", container=container, volumes=volumes),
    )


def test_what_a_container_leaves_behind_ends_with_its_main_process(tmp_path: Path) -> None:
    script = "setsid sleep 987 & sleep 988 & [ -e /data/x ] || { touch /data/x; sleep 0.2; exit 1; }; wait"
    container = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", lambda p: state(p)["restartCount"] == 1 and is_ready(p))
            async with asyncio.timeout(10):
                while _commands(lab, web).count("sleep 987") != 1 or _commands(lab, web).count("sleep 988") != 1:
                    await asyncio.sleep(0.02)

    volumes = [{"name": "data", "emptyDir": {}}]
    raw = pod("web", "sh", "-c", script, uid="00000015-a", container=container, volumes=volumes)
    run(tmp_path, story, raw)


def test_an_exec_probe_that_takes_too_long_leaves_nothing_behind(tmp_path: Path) -> None:
    command = ["sh", "-c", "touch /data/x; sleep 989; true"]
    container = {
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "livenessProbe": {"exec": {"command": command}, "timeoutSeconds": 1, "periodSeconds": 600},
    }

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            async with asyncio.timeout(10):
                while "/data/x" not in await lab.run_in(web, "ls", "/data/x"):
                    await asyncio.sleep(0.02)
                while "sleep 989" in _commands(lab, web):
                    await asyncio.sleep(0.02)
            assert "/usr/bin/sleep 60" in _commands(lab, web)

    volumes = [{"name": "data", "emptyDir": {}}]
    run(tmp_path, story, pod("web", "sleep", "60", uid="00000016-a", container=container, volumes=volumes))


def _commands(lab: Lab, raw: RawObject) -> list[str]:
    found = []
    for pid, _ in lab.processes(raw):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
    return found


def test_a_fault_of_the_runtime_is_told_and_ends_neither_the_pod_nor_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = ["first", "second"]

    def failing(container: core.Container, image: Image | None, environment: dict[str, str]) -> tuple[str, ...]:
        if container.name == "bad" and faults:
            raise RuntimeError(faults.pop())
        return arguments(container, image, environment)

    async def story(lab: Lab) -> None:
        async with lab.running():
            other = await lab.ready("other")
            before = lab.record(other)
            bad = await lab.until("web", lambda p: p["status"].get("reason") == "InternalError")
            assert "RuntimeError: second" in bad["status"]["message"]
            bad = await lab.ready("web")
            assert "reason" not in bad["status"]
            assert faults == []
            assert lab.record(other) == before

    monkeypatch.setattr("tandem.workloads.preparation.arguments", failing)
    bad = pod("web", "sleep", "60", uid="00000017-a", container={"name": "bad"})
    run(tmp_path, story, bad, pod("other", "sleep", "60", uid="00000018-a"))


def test_host_aliases_and_dns_config_reach_the_files_of_etc(tmp_path: Path) -> None:
    spec: dict[str, Any] = {
        "hostAliases": [{"ip": "192.0.2.7", "hostnames": ["old", "old.example"]}],
        "dnsConfig": {"searches": ["example"], "options": [{"name": "ndots", "value": "2"}]},
    }

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            assert "192.0.2.7\told old.example\n" in await lab.run_in(web, "cat", "/etc/hosts")
            assert await lab.run_in(web, "cat", "/etc/resolv.conf") == (
                "search shop.svc.cluster.local svc.cluster.local cluster.local example\n"
                "nameserver 10.96.0.10\noptions ndots:2\n"
            )

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000019-a", **spec))
