"""The process runtime on the real kernel: real namespaces and processes, a fake API, a trivial CNI plugin."""

# ruff: noqa: ASYNC110, ASYNC240 - the story is told on a loop that has nothing else to do
from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from netns.runtimelab import POD, Lab, is_ready, pod, run, state, waits_for
from tandem.model.meta import RawObject
from tandem.workloads.logs import Selection, read_logs

pytestmark = pytest.mark.root

SERVER = "import http.server as h; h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
APP: RawObject = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "app", "namespace": "shop"},
    "data": {"greeting": "hello", "server.py": SERVER},
}
KEY: RawObject = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "key", "namespace": "shop"},
    "data": {"token": "czNjcmV0"},
}


async def logs(lab: Lab, raw: RawObject, **options: Any) -> bytes:
    return b"".join([line async for line in read_logs(lab.dir, raw["metadata"]["uid"], "c", Selection(**options))])


def test_a_pod_has_name_address_files_and_namespaces_of_its_own(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            assert web["status"]["podIP"] == "10.9.0.2"
            assert web["status"]["hostIP"] == "10.9.0.1"
            assert web["status"]["phase"] == "Running"
            assert (await lab.run_in(web, "hostname")).strip() == "web"
            assert "10.9.0.2\tweb" in await lab.run_in(web, "cat", "/etc/hosts")
            assert (await lab.run_in(web, "cat", "/etc/resolv.conf")).splitlines() == [
                "search shop.svc.cluster.local svc.cluster.local cluster.local",
                "nameserver 10.96.0.10",
                "options ndots:5",
            ]
            assert "10.9.0.2/32" in await lab.run_in(web, "ip", "address")
            assert (await lab.run_in(web, "ls", "/sys/class/net")).split() == ["eth0", "lo"]
            assert (await lab.run_in(web, "cat", "/proc/1/comm")).strip() == "catatonit"

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000001-a"))


def test_a_pod_can_neither_change_the_host_nor_see_the_run_directory(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            name = f"/etc/tandem-{os.getpid()}"
            assert await lab.run_in(web, "touch", name) == ""
            assert not Path(name).exists()
            assert await lab.run_in(web, "ls", str(tmp_path)) == ""
            assert "permission denied" in await lab.run_in(web, "mount", "-t", "tmpfs", "x", "/mnt")
            assert "Operation not permitted" in await lab.run_in(web, "ip", "link", "set", "eth0", "down")
            assert "Read-only" in await lab.run_in(web, "sh", "-c", "echo x > /proc/sys/kernel/core_pattern")
            assert "CapBnd:\t00000000a80425fb" in await lab.run_in(web, "cat", "/proc/self/status")

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000002-a"))


def test_environment_volumes_and_arguments_come_from_the_spec(tmp_path: Path) -> None:
    container = {
        "args": ["echo $(WHO) $TOKEN $POD_IP $FROM_greeting; cat /cfg/greeting /secret/token; touch /data/x; sleep 60"],
        "env": [
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "WHO", "value": "I am $(NAME)"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "envFrom": [{"prefix": "FROM_", "configMapRef": {"name": "app"}}],
        "volumeMounts": [
            {"name": "cfg", "mountPath": "/cfg"},
            {"name": "secret", "mountPath": "/secret", "readOnly": True},
            {"name": "data", "mountPath": "/data"},
        ],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/data/x"]}},
    }
    volumes = [
        {"name": "cfg", "configMap": {"name": "app"}},
        {"name": "secret", "secret": {"secretName": "key"}},
        {"name": "data", "emptyDir": {}},
    ]

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            assert await logs(lab, web) == b"I am web s3cret 10.9.0.2 hello\nhellos3cret"[:31]
            assert "Read-only" in await lab.run_in(web, "touch", "/secret/x")
            assert await lab.run_in(web, "ls", "/run/.tandem") == ""
            assert not Path("/cfg").exists()

    run(tmp_path, story, APP, KEY, pod("web", "sh", "-c", uid="00000003-a", container=container, volumes=volumes))


def test_a_container_cannot_turn_the_nodes_hand_on_the_host_through_its_volumes(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").touch()
    # The volume is written anew at each start: what the node took for its own old files would be deleted.
    attack = f"ln -sfn {victim} /cfg/..data; test -e /tmp/again && sleep 60; touch /tmp/again; exit 1"
    container = {"args": [attack], "volumeMounts": [{"name": "cfg", "mountPath": "/cfg"}]}

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", lambda p: is_ready(p) and state(p)["restartCount"] == 1)
            assert (victim / "precious").exists()
            assert "Read-only" in await lab.run_in(web, "touch", "/cfg/x")

    volumes = [{"name": "cfg", "configMap": {"name": "app"}}]
    run(tmp_path, story, APP, pod("web", "sh", "-c", uid="00000021-a", container=container, volumes=volumes))


def test_no_link_leads_a_sub_path_out_of_its_volume(tmp_path: Path) -> None:
    whole = [{"name": "data", "mountPath": "/data"}]
    script = "mkdir /data/in; touch /data/in/x; ln -s in /data/near; ln -s /run/.tandem/volumes /data/far"
    init = {"name": "init", "image": "host", "command": ["sh", "-c", script], "volumeMounts": whole}
    spec = {"initContainers": [init], "volumes": [{"name": "data", "emptyDir": {}}]}

    def mounting(name: str, uid: str, path: str) -> RawObject:
        mounts = [{"name": "data", "mountPath": "/sub", "subPath": path}]
        return pod(name, "sleep", "60", uid=uid, container={"volumeMounts": mounts}, **spec)

    async def story(lab: Lab) -> None:
        async with lab.running():
            near = await lab.ready("near")
            assert await lab.run_in(near, "ls", "/sub") == "x\n"
            for name in ("far", "up"):
                out = await lab.until(name, waits_for("RunContainerError"))
                assert "mountPath /sub cannot be provided" in state(out)["state"]["waiting"]["message"]

    run(
        tmp_path,
        story,
        mounting("near", "00000022-a", "near"),
        mounting("far", "00000023-a", "far"),
        mounting("up", "00000024-a", ".."),
    )


def test_readiness_follows_the_probe_from_the_node(tmp_path: Path) -> None:
    container = {
        "readinessProbe": {"httpGet": {"path": "/server.py", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
        "volumeMounts": [{"name": "cfg", "mountPath": "/cfg"}],
        "workingDir": "/cfg",
    }

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            assert "GET /server.py" in (await logs(lab, web)).decode()
            os.kill(lab.record(web).containers["c"].process.pid, 19)  # SIGSTOP: it answers no more
            web = await lab.until("web", lambda p: not is_ready(p))
            assert state(web)["state"].get("running")

    volumes = [{"name": "cfg", "configMap": {"name": "app"}}]
    run(
        tmp_path,
        story,
        APP,
        pod("web", "python3", "-u", "server.py", uid="00000004-a", container=container, volumes=volumes),
    )


def test_a_container_that_ends_is_started_again_at_once_then_backs_off(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", waits_for("CrashLoopBackOff"))
            assert state(web)["restartCount"] == 2
            assert state(web)["lastState"]["terminated"]["exitCode"] == 3
            assert await logs(lab, web) == b"out\n"
            assert await logs(lab, web, previous=True) == b"out\n"

    run(tmp_path, story, pod("web", "sh", "-c", "echo out; exit 3", uid="00000005-a"))


def test_a_pod_that_must_not_restart_ends_and_gives_its_address_back(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            done = await lab.until("done", lambda p: p["status"]["phase"] == "Succeeded")
            assert state(done)["state"]["terminated"]["reason"] == "Completed"
            await lab.until("bad", lambda p: p["status"]["phase"] == "Failed")
            async with asyncio.timeout(10):
                while sum(c[0] == "DEL" for c in lab.calls()) < 2:
                    await asyncio.sleep(0.01)

    run(
        tmp_path,
        story,
        pod("done", "true", uid="00000006-a", restartPolicy="Never"),
        pod("bad", "false", uid="0000006b-a", restartPolicy="Never"),
    )


def test_a_command_that_does_not_exist_is_named_with_the_path_searched(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", waits_for("RunContainerError"))
            message = state(web)["state"]["waiting"]["message"]
            assert "no-such-program" in message
            assert "/usr/bin" in message
            empty = await lab.until("empty", waits_for("RunContainerError"))
            assert "`command` or `args` have to name" in state(empty)["state"]["waiting"]["message"]

    run(tmp_path, story, pod("web", "no-such-program", uid="00000007-a"), pod("empty", uid="0000007b-a"))


def test_the_words_of_a_failing_plugin_reach_the_pod_and_every_failed_add_is_undone(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        (lab.dir.cni_bin / "fail").touch()
        async with lab.running():
            web = await lab.until("web", waits_for("NetworkNotReady"))
            assert state(web)["state"]["waiting"]["message"] == "trivial ADD: pool is full: 10.9.0.0/24"
            (lab.dir.cni_bin / "fail").unlink()
            await lab.ready("web")
        adds = [c[1] for c in lab.calls() if c[0] == "ADD"]
        assert len(set(adds)) == len(adds)  # a container id of its own for each attempt
        assert {c[1] for c in lab.calls() if c[0] == "DEL"} == set(adds[:-1])
        assert all(len(i) == 64 for i in adds)

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000008-a"))


def test_the_plugin_is_called_as_containerd_calls_it(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            await lab.kube.delete(POD, "shop", "web", grace_seconds=1)
            await lab.gone("web")
        command, container_id, ifname, args = lab.calls()[0]
        assert (command, ifname) == ("ADD", "eth0")
        assert args == (
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;"
            f"K8S_POD_INFRA_CONTAINER_ID={container_id};K8S_POD_UID={web['metadata']['uid']}"
        )
        assert '"prevResult"' in (lab.dir.cni_bin / "stdin.DEL").read_text()

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000009-a"))


def test_a_deleted_pod_stays_ready_drains_and_gets_its_grace(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            await lab.kube.delete(POD, "shop", "web")
            going = await lab.until("web", lambda p: p["metadata"].get("deletionTimestamp"))
            assert is_ready(going)  # as long as it serves: the slices say that it terminates
            assert b"bye" not in await logs(lab, web)
            note = {"metadata": {"annotations": {"tandem.io/drained": "true"}}}
            reader = asyncio.timeout(10)
            async with reader:
                said = read_logs(lab.dir, web["metadata"]["uid"], "c", Selection(follow=True))
                assert await anext(said) == b"up\n"
                await lab.kube.patch(POD, "shop", "web", note)
                with contextlib.suppress(StopAsyncIteration):
                    assert await anext(said) == b"bye\n"
            await lab.gone("web")
            assert not (lab.dir.pods / web["metadata"]["uid"]).exists()
        assert [c[0] for c in lab.calls()] == ["ADD", "DEL"]

    run(tmp_path, story, pod("web", "sh", "-c", script, uid="0000000a-a"))


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            running = lab.processes(web)
            await lab.kube.delete(POD, "shop", "web", grace_seconds=1)
            await lab.gone("web")
            assert [pid for pid, _ in running if Path(f"/proc/{pid}").exists()] == []

    run(tmp_path, story, pod("web", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", uid="0000000b-a"))


def test_a_restarted_runtime_adopts_what_is_running(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            before = lab.record(web)
        assert before.containers["c"].process.alive
        async with lab.running():
            await lab.kube.patch(POD, "shop", "web", {"status": {"phase": "Unknown"}}, subresource="status")
            found = await lab.until("web", lambda p: p["status"]["phase"] == "Running" and is_ready(p))
            assert found["status"]["containerStatuses"] == web["status"]["containerStatuses"], "from the first word on"
            assert lab.record(web) == before
            first = await logs(lab, web)
            async with asyncio.timeout(10):
                while len(await logs(lab, web)) <= len(first):  # its output still arrives
                    await asyncio.sleep(0.02)
            await lab.kube.delete(POD, "shop", "web", grace_seconds=1)
            await lab.gone("web")
        assert [c[0] for c in lab.calls()] == ["ADD", "DEL"]

    run(tmp_path, story, pod("web", "sh", "-c", "while :; do echo x; sleep 0.05; done", uid="0000000c-a"))


def test_a_pod_that_was_removed_while_the_runtime_was_away_is_dismantled(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            init = lab.record(web).init
        await lab.kube.delete(POD, "shop", "web", grace_seconds=0)
        async with lab.running(), asyncio.timeout(10):
            while init.alive or (lab.dir.pods / web["metadata"]["uid"]).exists():
                await asyncio.sleep(0.02)

    run(tmp_path, story, pod("web", "sleep", "60", uid="0000000d-a"))


def test_a_pod_whose_init_was_killed_gets_a_new_sandbox(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            os.kill(lab.record(web).init.pid, 9)
            web = await lab.until("web", lambda p: p["status"].get("podIP") == "10.9.0.3" and is_ready(p))
            assert lab.record(web).attempt == 1

    run(tmp_path, story, pod("web", "sleep", "60", uid="0000000e-a"))


def test_init_containers_run_in_order_before_the_others(tmp_path: Path) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    steps = [
        {"name": n, "image": "host", "command": ["sh", "-c", f"echo {n} >> /data/x"], "volumeMounts": mounts}
        for n in ("one", "two")
    ]
    container = {"volumeMounts": mounts}

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            assert await lab.run_in(web, "cat", "/data/x") == "one\ntwo\n"

    volumes = [{"name": "data", "emptyDir": {}}]
    run(
        tmp_path,
        story,
        pod("web", "sleep", "60", uid="0000000f-a", container=container, initContainers=steps, volumes=volumes),
    )


def test_a_mount_path_below_proc_is_refused_by_name(tmp_path: Path) -> None:
    container = {"volumeMounts": [{"name": "data", "mountPath": "/proc/data"}]}

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", waits_for("RunContainerError"))
            assert "mountPath /proc/data cannot be provided" in state(web)["state"]["waiting"]["message"]

    volumes = [{"name": "data", "emptyDir": {}}]
    run(tmp_path, story, pod("web", "sleep", "60", uid="00000010-a", container=container, volumes=volumes))


def test_a_host_network_pod_has_the_address_of_its_node_and_no_cni(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.ready("web")
            assert web["status"]["podIP"] == "10.9.0.1"
            assert (await lab.run_in(web, "hostname")).strip() == "node-1"
        assert lab.calls() == []

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000011-a", hostNetwork=True))


def test_a_failed_liveness_probe_restarts_the_container(tmp_path: Path) -> None:
    container = {"livenessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}}

    async def story(lab: Lab) -> None:
        async with lab.running():
            web = await lab.until("web", lambda p: state(p)["restartCount"] >= 1)
            ended = state(web)["lastState"]["terminated"]
            assert "Liveness probe failed: command ended with exit status 1" in ended["message"]

    run(tmp_path, story, pod("web", "sleep", "60", uid="00000012-a", container=container))


def test_twelve_pods_start_together(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            addresses = {(await lab.ready(f"p{i}"))["status"]["podIP"] for i in range(12)}
            assert len(addresses) == 12

    run(tmp_path, story, *(pod(f"p{i}", "sleep", "60", uid=f"000002{i:02}-a") for i in range(12)))
