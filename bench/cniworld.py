"""One contender of `bench/cni.py` in a world of its own: commands as JSON lines on standard input, figures on output.

In: `python bench/cniworld.py CONTENDER SERVICES`, inside fresh network, mount and PID namespaces. The runtime's side,
executing a plugin with environment and standard input as libcni does, is this file for every contender alike.
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CNI = Path("/usr/lib/cni")
RUN = Path("/run/tandem")
NODE = RUN / "nodes" / "bench"
CAP = 600
"""Pods that the control stand-in knows."""
LIBC = ctypes.CDLL(None, use_errno=True)
Config = dict[str, Any]


class Chain:
    """A configuration list, executed as libcni executes it: ADD forwards, DEL backwards, each with a result."""

    def __init__(self, name: str, version: str, plugins: list[tuple[Path, Config]]) -> None:
        self._head = {"cniVersion": version, "name": name}
        self._plugins = plugins
        self._results: dict[int, Any] = {}

    def add(self, pod: int) -> str:
        """Attach; the pod's first address."""
        result: Any = None
        for plugin, config in self._plugins:
            previous = {} if result is None else {"prevResult": result}
            result = json.loads(run(plugin, "ADD", pod, {**self._head, **config, **previous}))
        self._results[pod] = result
        return str(result["ips"][0]["address"]).partition("/")[0]

    def delete(self, pod: int) -> None:
        """Detach."""
        result = self._results.pop(pod)
        for plugin, config in reversed(self._plugins):
            run(plugin, "DEL", pod, {**self._head, **config, "prevResult": result})


def run(plugin: Path, verb: str, pod: int, config: Config) -> bytes:
    """Execute one plugin; its standard output."""
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": f"bench{pod:08x}",
        "CNI_NETNS": netns(pod),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(plugin.parent),
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME=p{pod};K8S_POD_UID=uid-{pod}",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    done = subprocess.run(
        [str(plugin)], input=json.dumps(config).encode(), capture_output=True, env=env, check=False, close_fds=False
    )
    if done.returncode:
        raise SystemExit(f"{plugin.name} {verb} failed: {done.stdout.decode()}{done.stderr.decode()}")
    return done.stdout


def netns(pod: int) -> str:
    return f"/run/netns/b{pod}"


def make_netns(pod: int) -> None:
    """A namespace as a runtime makes it: unshared in a thread that ends, kept by a bind mount. In no figure."""

    def work() -> None:
        Path(netns(pod)).touch()
        assert LIBC.unshare(0x40000000) == 0
        assert LIBC.mount(b"/proc/thread-self/ns/net", netns(pod).encode(), b"none", 0x1000, None) == 0

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def drop_netns(pod: int) -> None:
    LIBC.umount2(netns(pod).encode(), 2)
    Path(netns(pod)).unlink()


def go_chain(kind: str) -> Chain:
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/20"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    first: dict[str, Config] = {
        "bridge": {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam},
        # As containerd's own installation writes it: pods reach the outside, which ours always do.
        "bridge-masq": {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "ipam": ipam},
        "ptp": {"type": "ptp", "ipam": ipam},
    }
    portmap = (CNI / "portmap", {"type": "portmap", "capabilities": {"portMappings": True}})
    return Chain(kind, "1.0.0", [(CNI / first[kind]["type"], first[kind]), portmap])


class Ours:
    """A control stand-in and a real agent, both real processes."""

    def __init__(self, services: int) -> None:
        from tandem.base.paths import NodeDir
        from tandem.runtime.cni_install import install_cni

        RUN.mkdir()
        directory = NodeDir(NODE)
        log = Path("/run/bench.log").open("wb")  # noqa: SIM115 - it is the processes' own
        self._control = subprocess.Popen(
            [sys.executable, str(HERE / "cnicontrol.py"), str(RUN), str(services), str(CAP)], stdout=log, stderr=log
        )
        self.agent = subprocess.Popen(
            [sys.executable, "-m", "tandem.apps.agent", "--run-dir", str(RUN), "--node", "bench"],
            stdout=log,
            stderr=log,
        )
        install_cni(directory)
        deadline = time.monotonic() + 120
        while not directory.cni_socket.exists():
            if self.agent.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the agent does not serve: " + Path("/run/bench.log").read_text()[-4000:])
            time.sleep(0.05)
        self.rest()
        config = {"type": "tandem-cni", "socket": str(directory.cni_socket)}
        self.chain = Chain("tandem", "1.0.0", [(directory.cni_bin / "tandem-cni", config)])

    def memory(self) -> float:
        status = Path(f"/proc/{self.agent.pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024

    def cpu(self) -> float:
        """Seconds that the agent has spent so far."""
        fields = Path(f"/proc/{self.agent.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rest(self) -> None:
        """Return when the agent has nothing more to do for what control told it."""
        deadline = time.monotonic() + 120
        before = self.cpu() - 1
        while self.cpu() - before > 0.05 and time.monotonic() < deadline:
            before = self.cpu()
            time.sleep(0.5)


def milliseconds(work: Callable[[int], object], pod: int) -> float:
    began = time.perf_counter()
    work(pod)
    return (time.perf_counter() - began) * 1000


class World:
    """What the commands act on."""

    def __init__(self, kind: str, services: int) -> None:
        self._ours = Ours(services) if kind == "tandem" else None
        self._chain = self._ours.chain if self._ours else go_chain(kind)
        self._filled = 0
        self._server: list[subprocess.Popen[bytes]] = []
        self._address = ""

    def serial(self, count: int) -> dict[str, list[float]]:
        """ADD and DEL of `count` pods one after the other, beside those that are there."""
        return self.parallel(count, 1)

    def parallel(self, count: int, at_once: int) -> dict[str, list[float]]:
        """The time of each ADD and each DEL with so many at once."""
        pods = range(self._filled, self._filled + count)
        for pod in pods:
            make_netns(pod)
        with ThreadPoolExecutor(at_once) as pool:
            adds = list(pool.map(lambda p: milliseconds(self._chain.add, p), pods))
            dels = list(pool.map(lambda p: milliseconds(self._chain.delete, p), pods))
        for pod in pods:
            drop_netns(pod)
        # The kernel ends namespaces in the background: the next figure is not to pay for it.
        settle()
        return {"add": adds, "del": dels}

    def cost(self, count: int) -> dict[str, float]:
        """Medians of `count` ADDs and DELs one after the other, and the agent's CPU for both, in ms a pod."""
        began = self._ours.cpu() if self._ours else 0.0
        found = {verb: statistics.median(values) for verb, values in self.parallel(count, 1).items()}
        spent = self._ours.cpu() - began if self._ours else 0.0
        return {**found, "cpu": spent * 1000 / count}

    def fill(self, count: int) -> None:
        """Attach pods until `count` are there, and let them stay."""
        for pod in range(self._filled, count):
            make_netns(pod)
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(self._chain.add, range(self._filled, count)))
        self._filled = count
        settle()

    def empty(self) -> None:
        for pod in range(self._filled):
            self._chain.delete(pod)
            drop_netns(pod)
        self._filled = 0
        settle()

    def pair(self) -> None:
        """Two pods that stay, with servers in the first one."""
        for pod in (CAP - 1, CAP - 2):
            make_netns(pod)
        self._address = self._chain.add(CAP - 1)
        self._chain.add(CAP - 2)
        self._server = [
            subprocess.Popen(inside(CAP - 1, "iperf3", "-s"), stdout=subprocess.DEVNULL),
            subprocess.Popen(inside(CAP - 1, sys.executable, str(HERE / "cniflow.py"), "serve")),
        ]
        time.sleep(1)

    def traffic(self, seconds: float) -> dict[str, float]:
        """Gbit/s of one stream, and transactions a second on one connection and on a new connection each."""
        return {what: self.flow(what, seconds) for what in ("gbits", "rr", "crr")}

    def flow(self, what: str, seconds: float) -> float:
        """One of them."""
        if what == "gbits":
            stream = json.loads(check(inside(CAP - 2, "iperf3", "-J", "-t", str(seconds), "-c", self._address)))
            return float(stream["end"]["sum_received"]["bits_per_second"]) / 1e9
        return float(
            check(inside(CAP - 2, sys.executable, str(HERE / "cniflow.py"), what, self._address, str(seconds)))
        )

    def memory(self) -> float:
        """Resident MB of the agent."""
        return self._ours.memory() if self._ours else 0.0


def settle() -> None:
    time.sleep(0.3)


def inside(pod: int, *command: str) -> list[str]:
    return ["nsenter", f"--net={netns(pod)}", *command]


def check(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def main() -> None:
    world = World(sys.argv[1], int(sys.argv[2]))
    print("null", flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(world, name)(*arguments)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
