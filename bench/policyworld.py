"""The measured node of `bench/policy.py` in namespaces of its own: change by change, from the API to the kernel.

In: `python bench/policyworld.py PODS POLICIES SIZE CHANGES`. Out: one line of JSON. The kernel is asked nothing: it
tells of each element that comes or goes (NFNLGRP_NFTABLES), and the moment is that of the message with the address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from cniworld import make_netns, netns
from policymodel import NODE, address, node_of, pod, policy, running

from tandem.base.paths import NodeDir, RunDir
from tandem.ingest.kube import KubeClient
from tandem.model.kinds import BY_KIND
from tandem.runtime.cni_install import install_cni

HERE = Path(__file__).resolve().parent
RUN = Path("/run/tandem")
POD, POLICY = BY_KIND["Pod"], BY_KIND["NetworkPolicy"]
NETFILTER = 12
"""NETLINK_NETFILTER."""
NFTABLES = 10
GROUP = 7
ELEMENTS = frozenset({12, 14})
"""NFT_MSG_NEWSETELEM and NFT_MSG_DELSETELEM."""
TABLE = "inet tandem"
Figures = dict[str, tuple[float, float]]
"""By name of the change, ms from the call to the API, and from its event at control, until the kernel has it."""


class Kernel:
    """When the kernel last told of an element with an address."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)
        self._sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE: a cold start is many messages
        self._sock.bind((0, 0))
        self._sock.setsockopt(270, 1, GROUP)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP
        self._waiting: dict[bytes, tuple[asyncio.AbstractEventLoop, asyncio.Future[float]]] = {}
        self._lock = threading.Lock()
        self._told: list[tuple[float, bytes]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def listen(self) -> None:
        """For `last`, from now on."""
        with self._lock:
            self._told = []

    def last(self, ip: str) -> float:
        """The moment of the last message of an element with this address."""
        key = ipaddress.ip_address(ip).packed
        with self._lock:
            return max(at for at, message in self._told if key in message)

    def expect(self, ip: str) -> asyncio.Future[float]:
        """The moment of the next message of an element with this address."""
        loop = asyncio.get_running_loop()
        with self._lock:
            future: asyncio.Future[float] = loop.create_future()
            self._waiting[ipaddress.ip_address(ip).packed] = loop, future
        return future

    def _read(self) -> None:
        while True:
            try:
                data = self._sock.recv(1 << 20)
            except OSError:  # more than fits in the buffer, at a cold start
                continue
            now, at = time.monotonic(), 0
            while at + 16 <= len(data):
                length, kind = (
                    int.from_bytes(data[at : at + 4], "little"),
                    int.from_bytes(data[at + 4 : at + 6], "little"),
                )
                if kind >> 8 == NFTABLES and kind & 255 in ELEMENTS:
                    self._tell(data[at : at + length], now)
                at += (length + 3) & ~3

    def _tell(self, message: bytes, now: float) -> None:
        with self._lock:
            self._told.append((now, message))
            for key in [key for key in self._waiting if key in message]:
                loop, future = self._waiting.pop(key)
                loop.call_soon_threadsafe(_settle, future, now)


def _ms(began: float, event: float, ended: float) -> tuple[float, float]:
    """From the call to the API, and from its event at control."""
    return (ended - began) * 1000, (ended - event) * 1000


def _settle(future: asyncio.Future[float], now: float) -> None:
    if not future.done():
        future.set_result(now)


class Events:
    """When an object's version arrived at control."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.seen: dict[tuple[str, str, str], float] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            at, *key = line.split()
            if len(key) == 3:
                self.seen[key[0], key[1], key[2]] = float(at)


def start(*command: str, output: Any = None) -> subprocess.Popen[str]:
    log = Path("/run/bench.log").open("a")  # noqa: SIM115 - it is the process's own
    return subprocess.Popen([sys.executable, *command], stdout=output or log, stderr=log, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 180
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{path} does not come: " + Path("/run/bench.log").read_text()[-3000:])
        time.sleep(0.05)


def resident(process: subprocess.Popen[str]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return round(int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024, 1)


def busy(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rest(*processes: subprocess.Popen[str]) -> None:
    """Return when these have nothing more to do."""
    deadline, before = time.monotonic() + 180, -1.0
    while (now := sum(map(busy, processes))) - before > 0.06 and time.monotonic() < deadline:
        before = now
        time.sleep(0.7)


class World:
    """The processes, and the changes that are made."""

    def __init__(self, pods: int, policies: int, size: int) -> None:
        self.pods, self.policies, self.size = pods, policies, size
        RUN.mkdir()
        # The other nodes' addresses are on a network of this one, so that their prefixes have a route.
        up = "link set uplink up", "link set far up"
        for command in ("link add uplink type veth peer name far", "addr add 192.0.2.1/16 dev uplink", *up):
            subprocess.run(["ip", *command.split()], check=True)
        self.kernel = Kernel()
        place, roles = RunDir(RUN), str(HERE / "policyroles.py")
        numbers = [str(n) for n in (pods, policies, size)]
        self.api = start(roles, "api", str(RUN), *numbers)
        wait_for(place.kubeconfig, self.api)
        self.control = start(roles, "control", str(RUN), output=subprocess.PIPE)
        self.events = Events(self.control)
        wait_for(place.control_socket, self.control)
        self.others = start(roles, "nodes", str(RUN), str(pods), str(size))
        self.directory = NodeDir(RUN / "nodes" / NODE)
        self.agent = start("-m", "tandem.apps.agent", "--run-dir", str(RUN), "--node", NODE)
        install_cni(self.directory)
        wait_for(self.directory.cni_socket, self.agent)
        self.rest()
        self.local = [n for n in range(pods) if node_of(n, pods, size) == NODE]
        self.ips: dict[int, str] = {}
        self.memory: dict[str, float] = {"agent with no pod": resident(self.agent)}

    def rest(self) -> None:
        rest(self.api, self.control, self.others, self.agent)

    def add(self, number: int, uid: str = "") -> str:
        """CNI ADD as a runtime makes it; the address. `uid`: as the API server gave it."""
        meta = pod(number, self.pods, node=NODE)["metadata"]
        meta["uid"] = uid or meta["uid"]
        env = {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": f"bench{number:08x}",
            "CNI_NETNS": netns(number),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.directory.cni_bin),
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};K8S_POD_UID={uid}".format(
                **meta
            ),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        config = {"cniVersion": "1.0.0", "name": "t", "type": "tandem-cni", "socket": str(self.directory.cni_socket)}
        done = subprocess.run(
            [str(self.directory.cni_bin / "tandem-cni")],
            input=json.dumps(config).encode(),
            capture_output=True,
            env=env,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"ADD failed: {done.stdout.decode()}{done.stderr.decode()}")
        return str(json.loads(done.stdout)["ips"][0]["address"]).partition("/")[0]

    def attach(self, numbers: list[int]) -> dict[int, str]:
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(numbers, pool.map(self.add, numbers), strict=True))

    async def fill(self, client: KubeClient) -> None:
        """Attach every pod of the node, and say so to the API."""
        for number in self.local:
            make_netns(number)
        for half in (self.local[: len(self.local) // 2], self.local[len(self.local) // 2 :]):
            self.ips.update(await asyncio.to_thread(self.attach, half))
            for number in half:
                await self.patch_pod(client, number, {"status": running(self.ips[number])}, status=True)
            await asyncio.to_thread(self.rest)
            self.memory[f"agent with {len(self.ips)} pods"] = resident(self.agent)

    async def patch_pod(self, client: KubeClient, number: int, body: Any, *, status: bool = False) -> str:
        meta = pod(number, self.pods, node=NODE)["metadata"]
        sub = "status" if status else ""
        done = await client.patch(POD, meta["namespace"], meta["name"], body, subresource=sub)
        return str(done["metadata"]["resourceVersion"])

    async def change(self, ip: str, key: tuple[str, str], act: Callable[[], Awaitable[str]]) -> tuple[float, float]:
        """ms from the call to the API, and from its event at control, until the kernel has it."""
        future = self.kernel.expect(ip)
        began = time.monotonic()
        version = await act()
        try:
            ended = await asyncio.wait_for(future, 10)
        except TimeoutError:
            raise SystemExit(f"{key}: the kernel never told of {ip}") from None
        deadline = time.monotonic() + 5
        while (event := self.events.seen.get((*key, version))) is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        return _ms(began, event or began, ended)

    async def measure(self, count: int) -> dict[str, list[tuple[float, float]]]:
        found: dict[str, list[tuple[float, float]]] = {}
        chance = random.Random(4)  # noqa: S311 - of pauses
        async with KubeClient.from_kubeconfig(RunDir(RUN).kubeconfig) as client:
            await self.fill(client)
            makers = (
                self.joins_group,
                self.becomes_subject,
                self.edits_policy,
                self.starts_elsewhere,
                self.starts_here,
            )
            for number in range(count + 3):
                for maker in makers:
                    figures = await maker(client, number)
                    for name, figure in figures.items() if number >= 3 else ():  # the first of each are to warm up
                        found.setdefault(name, []).append(figure)
                    await asyncio.sleep(chance.uniform(0.02, 0.1))
        return found

    async def joins_group(self, client: KubeClient, number: int) -> Figures:
        other = 1 + APPS_PER_NODE * (1 + number // 2)
        while node_of(other, self.pods, self.size) == NODE:
            other += APPS_PER_NODE
        body = {"metadata": {"labels": {"role": None if number % 2 else "monitor"}}}
        act = lambda: self.patch_pod(client, other, body)  # noqa: E731
        figure = await self.change(address(other), ("Pod", f"p{other}"), act)
        return {"label: a pod elsewhere joins or leaves a group": figure}

    async def becomes_subject(self, client: KubeClient, number: int) -> Figures:
        own = self.local[APPS_PER_NODE * 2 + 5]
        body = {"metadata": {"labels": {"app": f"a{(number + 1) % 10}"}}}
        act = partial(self.patch_pod, client, own, body)
        figure = await self.change(self.ips[own], ("Pod", f"p{own}"), act)
        return {"label: a pod here gets other policies": figure}

    async def edits_policy(self, client: KubeClient, number: int) -> Figures:
        which = 10 * (number % (self.policies // 10)) + number % 10
        own = next(n for n in self.local if n // 100 == which // 10 and n % 10 == which % 10 and n != self.local[25])
        raw = policy(which, self.pods, port=9000 + number)
        meta = raw["metadata"]

        async def act() -> str:
            done = await client.patch(POLICY, meta["namespace"], meta["name"], {"spec": raw["spec"]})
            return str(done["metadata"]["resourceVersion"])

        return {"policy: another port": await self.change(self.ips[own], ("NetworkPolicy", meta["name"]), act)}

    async def starts_elsewhere(self, client: KubeClient, number: int) -> Figures:
        new = self.pods + 100 + number
        await client.create(POD, pod(new, self.pods, node="n1"))
        await asyncio.sleep(0.05)
        act = partial(self.patch_pod, client, new, {"status": running(address(new))}, status=True)
        figure = await self.change(address(new), ("Pod", f"p{new}"), act)
        return {"pod start elsewhere: its address is admitted": figure}

    async def starts_here(self, client: KubeClient, number: int) -> Figures:
        """From the creation of the object to the policy of the attached pod, CNI ADD in between.

        The kubelet writes the status some time after ADD: in no figure, but without it control would go on with what
        the node has announced, for each of these pods as long as an announcement lives.
        """
        new = self.pods + 10_000 + number
        make_netns(new)
        self.kernel.listen()
        began = time.monotonic()
        done = await client.create(POD, pod(new, self.pods, node=NODE))
        ip = await asyncio.to_thread(self.add, new, str(done["metadata"]["uid"]))
        ended, last = time.monotonic(), self.kernel.last(ip)
        event = self.events.seen.get(("Pod", f"p{new}", str(done["metadata"]["resourceVersion"])), began)
        await asyncio.sleep(0.1)
        await self.patch_pod(client, new, {"status": running(ip)}, status=True)
        return {
            "pod start here: object, CNI ADD, the kernel has all of its policy": _ms(began, event, last),
            "pod start here: the same until ADD has returned, its link is open and peers know it": _ms(
                began, event, ended
            ),
        }

    def naive(self, rounds: int = 5) -> list[float]:
        """ms of `nft -f` with all of the table anew, as another table without hooks: the least that a reload costs."""
        text = subprocess.run(
            ["nft", "list", "table", *TABLE.split()], capture_output=True, text=True, check=True
        ).stdout
        lines = [line for line in text.splitlines() if not line.strip().startswith("type filter hook")]
        lines = [line for line in lines if not line.strip().startswith(("type nat hook", "type route hook"))]
        plain = "\n".join(lines).replace(f"table {TABLE}", "table inet standin", 1)
        file = Path("/run/standin.nft")
        file.write_text("add table inet standin\ndelete table inet standin\n" + plain)
        found = []
        for _ in range(rounds):
            began = time.monotonic()
            done = subprocess.run(["nft", "-f", str(file)], capture_output=True, text=True, check=False)
            if done.returncode:
                return []
            found.append((time.monotonic() - began) * 1000)
        return found


APPS_PER_NODE = 10


def main() -> None:
    pods, policies, size, changes = map(int, sys.argv[1:])
    world = World(pods, policies, size)
    memory = world.memory
    figures = asyncio.run(world.measure(changes)) if changes else {}
    memory |= {"control": resident(world.control), "agent at the end": resident(world.agent)}
    print(json.dumps({"figures": figures, "memory": memory, "nft -f": world.naive() if changes else []}), flush=True)
    for process in (world.agent, world.others, world.control, world.api):
        process.terminate()
    os._exit(0)


if __name__ == "__main__":
    main()
