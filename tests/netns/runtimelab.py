"""A node's process runtime over a fake API and a trivial CNI plugin, in a network namespace of its own."""

# ruff: noqa: ASYNC110
from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tandem.base.clock import SystemClock
from tandem.base.paths import RunDir
from tandem.ingest.fake import FakeKube
from tandem.ingest.recorder import Recorder
from tandem.model.images import Images
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject
from tandem.workloads import netns
from tandem.workloads.cni import Cni
from tandem.workloads.context import Node
from tandem.workloads.node import run_node
from tandem.workloads.program import Wanted, start
from tandem.workloads.record import SandboxRecord, load
from tandem.workloads.started import folder_of
from tandem.workloads.sweep import members, sweep

POD = BY_KIND["Pod"]
_PLUGIN = """#!/bin/sh
# Veth with a /32 on each end; counts addresses in a file; writes down each call.
dir=$(dirname "$0"); cat > "$dir/stdin.$CNI_COMMAND"
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_ARGS" >> "$dir/calls"
if [ "$CNI_COMMAND" = ADD ] && [ -e "$dir/fail" ]; then
  echo '{"cniVersion":"1.0.0","code":11,"msg":"pool is full","details":"10.9.0.0/24"}'; exit 1
fi
[ "$CNI_COMMAND" = ADD ] || exit 0
exec 9> "$dir/lock"; flock 9  # several are called at once
n=$(( $(cat "$dir/count" 2>/dev/null || echo 1) + 1 )); echo $n > "$dir/count"
exec 9>&-
ns=$(basename "$CNI_NETNS")
ip link add "wlt$n" type veth peer name eth0 netns "$ns" || exit 1
ip -n "$ns" address add "10.9.0.$n/32" dev eth0
ip -n "$ns" link set eth0 up && ip -n "$ns" route add default dev eth0
ip link set "wlt$n" up && ip route add "10.9.0.$n/32" dev "wlt$n" src 10.9.0.1
echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0"}],"ips":[{"address":"10.9.0.'$n'/32"}]}'
"""


def in_own_network(story: Callable[[], Awaitable[None]]) -> None:
    """Run a coroutine in a thread that has left for a new network namespace; its threads and processes follow."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            assert ctypes.CDLL(None, use_errno=True).unshare(0x40000000) == 0
            os.system("ip link set lo up; ip address add 10.9.0.1/32 dev lo")  # noqa: S605 - a constant
            asyncio.run(_limited(story))
        except BaseException as err:  # noqa: BLE001 - raised again by the test's own thread
            errors.append(err)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


async def _limited(story: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(90):
        await story()


class Lab:
    """One node."""

    def __init__(self, root: Path, *objects: RawObject) -> None:
        self.images = Images()
        self.dir = RunDir(root).node("node-1")
        self.kube = FakeKube(objects, clock=SystemClock())
        for folder in (self.dir.pods, self.dir.cni_bin, self.dir.cni_conf):
            folder.mkdir(parents=True)
        plugin = self.dir.cni_bin / "trivial"
        plugin.write_text(_PLUGIN)
        plugin.chmod(0o755)
        conf = '{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"trivial","x":1}]}'
        (self.dir.cni_conf / "10-lab.conflist").write_text(conf)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The runtime process's work; leaving it is what its end is: the pods stay."""
        clock = SystemClock()
        node = Node(
            name="node-1",
            addresses=("10.9.0.1",),
            dns=("10.96.0.10",),
            directory=self.dir,
            client=self.kube,  # type: ignore[arg-type]
            cni=Cni(self.dir),
            clock=clock,
            events=Recorder(self.kube, "tandem-runtime", clock, host="node-1"),
            slots=asyncio.Semaphore(4),
            images=self.images,
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(run_node(node))
            try:
                yield
            finally:
                task.cancel()

    async def pod(self, name: str) -> RawObject:
        """The pod as the API has it."""
        return await self.kube.get(POD, "shop", name)

    async def until(self, name: str, holds: Callable[[RawObject], Any]) -> RawObject:
        """The pod, as soon as `holds`."""
        async with asyncio.timeout(30):
            while True:
                pod = await self.pod(name)
                if "status" in pod and holds(pod):
                    return pod
                await asyncio.sleep(0.01)

    async def ready(self, name: str) -> RawObject:
        """The pod, as soon as it is ready."""
        return await self.until(name, is_ready)

    async def gone(self, name: str) -> None:
        """Wait until the API has it no more."""
        async with asyncio.timeout(30):
            while name in [p["metadata"]["name"] for p in (await self.kube.list(POD))[0]]:
                await asyncio.sleep(0.01)

    async def run_in(self, pod: RawObject, *command: str, container: str = "c") -> str:
        """The output of a command inside the pod, as the API server runs it; what it says on stderr comes last."""
        own = self.record(pod).containers[container]
        wanted = Wanted(stdin=False, stdout=True, stderr=True, tty=False)
        program = await start(own, command, wanted, records=folder_of(self.dir, pod["metadata"]["uid"]))
        try:
            said = [chunk async for chunk in program.output()] + [chunk async for chunk in program.errors()]
            return b"".join(said).decode()
        finally:
            program.close()

    def record(self, pod: RawObject) -> SandboxRecord:
        """What the runtime wrote down."""
        found = load(self.dir, pod["metadata"]["uid"])
        assert found is not None
        return found

    def calls(self) -> list[list[str]]:
        """The CNI plugin's calls."""
        path = self.dir.cni_bin / "calls"
        return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []

    def sweep(self) -> list[str]:
        """As `tandem down`. Then the runtime process has ended and init reaps for it; here we are still the parent."""
        done = threading.Event()
        reaper = threading.Thread(target=_reap, args=(done,))
        reaper.start()
        said = list(sweep(self.dir))
        done.set()
        reaper.join()
        return said

    def processes(self, pod: RawObject) -> list[tuple[int, int]]:
        """Everything that runs in the pod."""
        return sorted(set(members(self.record(pod))))


def _reap(done: threading.Event) -> None:
    while not done.wait(0.01):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)


def pod(name: str, *command: str, uid: str = "", container: RawObject | None = None, **spec: Any) -> RawObject:
    """A pod of one container that is bound to the lab's node."""
    body = {"name": "c", "image": "host", **({"command": list(command)} if command else {}), **(container or {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}, **({"uid": uid} if uid else {})},
        "spec": {"nodeName": "node-1", "terminationGracePeriodSeconds": 2, "containers": [body], **spec},
    }


def is_ready(raw: RawObject) -> bool:
    """Its Ready condition is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in raw["status"].get("conditions", ()))


def state(raw: RawObject) -> RawObject:
    """The first container's status."""
    found: RawObject = raw["status"]["containerStatuses"][0]
    return found


def waits_for(reason: str) -> Callable[[RawObject], bool]:
    """The first container waits for this reason."""
    return lambda raw: state(raw)["state"].get("waiting", {}).get("reason") == reason


def run(tmp_path: Path, story: Callable[[Lab], Awaitable[None]], *objects: RawObject) -> None:
    """Tell a story on a lab; afterwards nothing of it may be left."""

    async def told() -> None:
        lab = Lab(tmp_path, *objects)
        try:
            await story(lab)
        finally:
            left = [line for line in lab.sweep() if line.startswith("left:")]
        assert left == []

    in_own_network(told)
    assert netns.pinned(RunDir(tmp_path).node("node-1")) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
