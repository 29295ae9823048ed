"""`bench/run.py mesh`: one Envoy for a node's pods beside a sidecar Envoy for each pod.

In: root, Envoy, wrk; `tests` among the paths of modules, as `run.py` has it. Out: `bench/results/mesh.json, .md`;
nothing here passes or fails. Both contenders are the same Envoy with the same pods, redirection, listeners, mTLS,
routes, authorization and access logs, and the same node's rules and fast path between them, as the product compiles
them; with `sidecars` each process has the part of one pod. In each round all take their turn in slices of a second,
so that what disturbs the machine disturbs all alike; ratios are to the sidecars in the same slice. Four minutes.

| path | what a request goes through |
|---|---|
| http | a route by header and path with retries and a timeout, mTLS, three authorization policies, two log entries |
| bytes | the same pods, a port that is not HTTP: mTLS and bytes; one connection for many requests |
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
from envoy.service.accesslog.v3 import als_pb2

import meshbuild
from netns import meshlab
from tandem.base.netns import in_netns
from tandem.base.problems import Origin
from tandem.compile.fastpath import compile_fast_path
from tandem.compile.nft.node import compile_nft
from tandem.drivers.bpf.plan import plan
from tandem.drivers.bpf.real import KernelFastPath
from tandem.drivers.nft.plan import plan as plan_nft
from tandem.drivers.nft.real import Libnftables
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Backend, Exact, Forward, HeaderMatch, Prefix, Retry, Route, RouteMatch, RouteTable
from tandem.ir.node import AttachedPod, NodeView
from tandem.state.xds import ENVOY

RESULTS = Path(__file__).resolve().parent / "results"
ROUNDS = 5
SLICES = 4
SECONDS = 1
PODS = 50
"""On a node, for the memory of proxies."""
SERVICE = "10.96.1.1"
PORTS = {"http": 80, "bytes": 3306}
LOADS = {"http, 16 at once": ("http", 16), "http, one by one": ("http", 1), "bytes, 16 at once": ("bytes", 16)}
WORLDS = ("tandem", "sidecars")
LENIENT = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal")
CLOCK = os.sysconf("SC_CLK_TCK")
Figures = dict[str, float]


class Proxy(meshlab.Lab):
    """A lab whose access logs are read and thrown away; `ca`: of another lab, whose pods this one's Envoy may serve."""

    def __init__(self, prefix: str, ca: meshlab.Ca | None = None) -> None:
        super().__init__(prefix, link="td")
        self.ca = ca or self.ca
        self.ads = Ads(self.ca)


class Ads(meshlab.Ads):
    """Keeps no log."""

    def StreamAccessLogs(self, requests: Iterator[Any], _context: Any) -> Any:  # noqa: N802
        for _ in requests:
            pass
        return als_pb2.StreamAccessLogsResponse()


class World:
    """A client and a server on one node, and the Envoys between them."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name = name
        self.lab = stack.enter_context(Proxy(name[0]))
        addresses = {"client": "10.244.0.2", "server": "10.244.0.3"}
        self._netns = {pod: self.lab.pod(pod, address) for pod, address in addresses.items()}
        client, server = (
            meshbuild.attached(pod, address, netns=str(self._netns[pod])) for pod, address in addresses.items()
        )
        server = msgspec.structs.replace(
            server, pod=msgspec.structs.replace(server.pod, authorization=authorization(), plain_http_ports=(80,))
        )
        whole = view_of(*(msgspec.structs.replace(p, **self._link(p)) for p in (client, server)))
        client, server = whole.pods
        asyncio.run(self._node(whole))
        self.proxies: list[Proxy] = [self.lab]
        if name == "sidecars":
            beside = stack.enter_context(Proxy("beside", self.lab.ca))
            self.proxies.append(beside)
            beside.apply(msgspec.structs.replace(whole, pods=(server,)))
            whole = msgspec.structs.replace(whole, pods=(client,))
        self.lab.apply(whole)
        stack.enter_context(application(self._netns["server"], self.lab.dir))
        self.check()

    def _link(self, pod: AttachedPod) -> dict[str, str]:
        """What ADD would have told of it."""
        shown = subprocess.run(
            ["nsenter", f"--net={pod.netns}", "cat", "/sys/class/net/eth0/address"], check=True, stdout=subprocess.PIPE
        )
        return {"host_ifname": f"td{pod.pod.name}", "mac": shown.stdout.decode().strip()}

    async def _node(self, view: NodeView) -> None:
        """Policy and Services of the node, and the fast path, as the agent keeps them."""
        netns = str(self.lab.node)
        Libnftables(netns).apply(plan_nft(None, compile_nft(view)))
        in_netns(netns, lambda: LENIENT.write_text("1"))
        driver = KernelFastPath(netns)
        await driver.apply(plan(await driver.read(), compile_fast_path(view)))
        driver.close()

    def check(self) -> None:
        """One request by each path is answered, and one that the policies deny is denied."""
        for path, status in (("/api", "200"), ("/admin", "403")):
            seen = self._exec(
                "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", f"http://{SERVICE}{path}"
            )
            if seen != status:
                raise SystemExit(f"{self.name}: {path} was answered with {seen}, not {status}")
        self._exec("curl", "-sf", "-m", "5", f"http://{SERVICE}:{PORTS['bytes']}/api")

    def figure(self, path: str, connections: int) -> Figures:
        """One slice."""
        before = self._cpu()
        said = self._exec(
            "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--latency", f"http://{SERVICE}:{PORTS[path]}/api"
        )
        used = self._cpu() - before
        count = float(found(r"(\d+) requests in", said))
        if re.search(r"Non-2xx|Socket errors", said):
            raise SystemExit(f"{self.name}: {said}")
        return {
            "requests a second": float(found(r"Requests/sec:\s+([\d.]+)", said)),
            "us of proxy CPU a request": used / count * 1e6,
            "p50 us": microseconds(found(r"\n\s+50%\s+(\S+)", said)),
            "p99 us": microseconds(found(r"\n\s+99%\s+(\S+)", said)),
        }

    def _cpu(self) -> float:
        """Seconds that the proxies have used."""
        stats = (
            (Path("/proc") / str(p.envoy.pid) / "stat").read_text().rpartition(")")[2].split() for p in self.proxies
        )
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) / CLOCK

    def _exec(self, *command: str) -> str:
        done = subprocess.run(
            ["nsenter", f"--net={self._netns['client']}", *command], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{self.name}: {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"wrk says nothing of {pattern}: {text}")
    return match[1]


def microseconds(text: str) -> float:
    """Of a time as wrk writes it: `311.00us`, `1.12ms`, `2.00s`."""
    for unit, factor in (("us", 1.0), ("ms", 1e3), ("s", 1e6)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def application(netns: Path, folder: Path) -> ExitStack:
    """Answers every request at both ports: an Envoy of one thread, which costs less than any other server here."""
    listeners = []
    for name, port in PORTS.items():
        respond = {"direct_response": {"status": 200, "body": {"inline_string": "x" * 128}}, "match": {"prefix": "/"}}
        manager = {
            "@type": f"{ENVOY}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [respond]}]},
            "http_filters": [
                {
                    "name": "router",
                    "typed_config": {"@type": f"{ENVOY}extensions.filters.http.router.v3.Router"},
                }
            ],
        }
        address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}  # noqa: S104 - in the pod
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        listeners.append({"name": name, "address": address, "filter_chains": [chain]})
    config = folder / "application.json"
    config.write_text(json.dumps({"static_resources": {"listeners": listeners}}))
    command = ["nsenter", f"--net={netns}", shutil.which("envoy") or "envoy", "-c", str(config), "--concurrency", "1"]
    process = subprocess.Popen(
        [*command, "--use-dynamic-base-id", "-l", "off"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack = ExitStack()
    stack.callback(process.wait)
    stack.callback(process.kill)
    deadline = time.monotonic() + 10
    while not _listens(netns):
        if time.monotonic() > deadline:
            raise SystemExit("the application does not start")
        time.sleep(0.05)
    return stack


def _listens(netns: Path) -> bool:
    seen = subprocess.run(["nsenter", f"--net={netns}", "ss", "-Hltn"], capture_output=True, text=True, check=True)
    return all(f":{port} " in seen.stdout for port in PORTS.values())


def authorization() -> tuple[AuthzPolicy, ...]:
    """Two denials that do not hold, one permission that does."""
    client = str(meshbuild.identity("client"))

    def policy(name: str, action: Action, attribute: Attribute, value: Any) -> AuthzPolicy:
        origin = Origin(kind="AuthorizationPolicy", namespace="shop", name=name)
        need = Requirement(attribute=attribute, values=(value,))
        at = Requirement(attribute=Attribute.PORT, values=(Exact(value=str(PORTS["http"])),))
        where = {"sources": ((need,),)} if attribute is Attribute.PRINCIPAL else {"operations": ((need, at),)}
        return AuthzPolicy(action=action, rules=(AuthzRule(**where, origin=origin),), origin=origin)

    return (
        policy("no-admin", Action.DENY, Attribute.PATH, Prefix(value="/admin")),
        policy("no-delete", Action.DENY, Attribute.METHOD, Exact(value="DELETE")),
        policy("client", Action.ALLOW, Attribute.PRINCIPAL, Exact(value=client.removeprefix("spiffe://"))),
    )


def view_of(client: AttachedPod, server: AttachedPod, *others: AttachedPod) -> NodeView:
    """Both pods, the Service in front of the server, and its route."""
    backend = Backend(namespace="shop", service="web")
    origin = Origin(kind="VirtualService", namespace="shop", name="web")
    match = RouteMatch(path=Prefix(value="/"), headers=(HeaderMatch(name="x-version", match=Exact(value="2")),))
    routes = tuple(
        Route(
            name=name,
            matches=matches,
            action=Forward(backends=(backend,)),
            timeout_ms=5000,
            retry=Retry(attempts=2, retry_on=("connect-failure",)),
            origin=origin,
        )
        for name, matches in (("second", (match,)), ("first", ()))
    )
    return meshbuild.view(
        client,
        server,
        *others,
        meshbuild.service("web", SERVICE, ("http", 80, AppProtocol.HTTP), ("db", PORTS["bytes"], AppProtocol.TCP)),
        meshbuild.endpoints("web", meshbuild.endpoint(server, http=80, db=PORTS["bytes"])),
        RouteTable(namespace="shop", service="web", routes=routes),
    )


def memory(stack: ExitStack) -> dict[str, Figures]:
    """MB of the proxies for PODS pods: resident, and with what processes share counted once."""
    lab = stack.enter_context(Proxy("m"))
    pods = []
    for number in range(PODS):
        address = f"10.244.1.{number + 2}"
        netns = lab.pod(f"p{number}", address)
        pod = meshbuild.attached(f"p{number}", address, netns=str(netns))
        pods.append(msgspec.structs.replace(pod, pod=msgspec.structs.replace(pod.pod, authorization=authorization())))
    whole = view_of(*pods)
    lab.apply(whole)
    one = resident([lab])
    lab.ads.push({})
    lab.wait_for_listeners(set())
    beside = []
    for number, pod in enumerate(pods):
        beside.append(stack.enter_context(Proxy(f"s{number}", lab.ca)))
        beside[-1].apply(msgspec.structs.replace(whole, pods=(pod,)))
    return {"tandem": one, "sidecars": resident(beside)}


def resident(proxies: list[Proxy]) -> Figures:
    found: Figures = {"RSS MB": 0.0, "PSS MB": 0.0}
    for proxy in proxies:
        lines = (Path("/proc") / str(proxy.envoy.pid) / "smaps_rollup").read_text().splitlines()[1:]
        sizes = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines}
        found = {"RSS MB": found["RSS MB"] + sizes["Rss:"], "PSS MB": found["PSS MB"] + sizes["Pss:"]}
    return {name: round(value, 1) for name, value in found.items()}


def measure(rounds: int) -> dict[str, dict[str, list[Figures]]]:
    """Load -> world -> the figures of each slice."""
    taken: dict[str, dict[str, list[Figures]]] = {load: {world: [] for world in WORLDS} for load in LOADS}
    with ExitStack() as stack:
        worlds = [World(name, stack) for name in WORLDS]
        for world in worlds:  # warm up
            for load in LOADS.values():
                world.figure(*load)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            for name, load in LOADS.items():
                for turn in range(SLICES):
                    for world in worlds[:: -1 if (number + turn) % 2 else 1]:
                        taken[name][world.name].append(world.figure(*load))
    return taken


def main(rounds: int = ROUNDS) -> None:
    taken = measure(rounds)
    rows = []
    for load, worlds in taken.items():
        for figure in worlds["tandem"][0]:
            ours, theirs = ([s[figure] for s in worlds[world]] for world in WORLDS)
            ratios = sorted(mine / other for mine, other in zip(ours, theirs, strict=True))
            rows.append(
                {
                    "load": load,
                    "figure": figure,
                    "tandem": statistics.median(ours),
                    "sidecars": statistics.median(theirs),
                    "ratio": statistics.median(ratios),
                    "low": ratios[len(ratios) // 10],
                    "high": ratios[-1 - len(ratios) // 10],
                }
            )
    print("memory", flush=True)
    with ExitStack() as stack:
        sizes = memory(stack)
    whole = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, kernel {platform.release()}",
        "slices": rounds * SLICES,
        "rows": rows,
        "memory": sizes,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "mesh.json").write_text(json.dumps(whole, indent=1) + "\n")
    (RESULTS / "mesh.md").write_text(text(whole))
    print(text(whole))


def text(whole: dict[str, Any]) -> str:
    lines = [
        "# Mesh: one Envoy for a node's pods, beside a sidecar Envoy for each pod",
        "",
        f"{whole['machine']}; {whole['slices']} slices of {SECONDS} s; both ends on the node.",
        "",
        "| load | figure | tandem | sidecars | ratio | tenth..ninth tenth of ratios |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['load']} | {row['figure']} | {row['tandem']:.0f} | {row['sidecars']:.0f} | {row['ratio']:.2f} "
        f"| {row['low']:.2f}..{row['high']:.2f} |"
        for row in whole["rows"]
    ]
    lines += ["", f"| proxies of {PODS} pods | tandem | sidecars | ratio |", "|---|---|---|---|"]
    for figure in ("RSS MB", "PSS MB"):
        ours, theirs = (whole["memory"][world][figure] for world in WORLDS)
        lines.append(f"| {figure} | {ours:g} | {theirs:g} | {ours / theirs:.3f} |")
    lines += [
        "",
        "Targets: requests a second at least 1.2, CPU a request at most 0.75, p99 at most 1; of bytes, CPU at most",
        "0.95; memory at most 0.05. What a contender is, and what a request goes through: `bench/mesh.py`.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
