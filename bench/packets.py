"""`bench/run.py packets`: what policies cost a packet: new connections, requests, one stream.

In: root, iperf3. Out: `bench/results/policy-packets.json, .md`; nothing here passes or fails. Each world is a node and
two pods in namespaces of their own, with the table of its policies in the kernel. In each round all take their turn,
figure by figure, in slices of a tenth of a second, so that what disturbs the machine disturbs all alike (a stream takes
its second at once); ratios are to the world without policies in the same round. Three minutes.

| world | 10,000 NetworkPolicies |
|---|---|
| none | none at all |
| hosts | select the server; each allows an address of its own on a port of its own; the client's is the last |
| blocks | likewise with prefixes in one another, exceptions and ranges of ports |
| groups | likewise with a group of pods each: selectors, each of which has one pod |
| crowd | the same, all on the client's ports |
| elsewhere | select 500 other pods of the node; each allows an address of its own |
"""

from __future__ import annotations

import json
import platform
import socket
import statistics
import struct
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cniflow
import msgspec

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
POLICIES = 10_000
NEIGHBOURS = 500
ROUNDS = 7
SECONDS = 1
SLICES = 10
SERVER, CLIENT = "10.244.0.2", "10.244.0.3"
GATEWAY = "169.254.1.1"
CLOSED = 5301
"""A port that policy allows and nobody serves: a connection to it is two packets."""
PORTS = [5300, CLOSED, 5201]
FIGURES = {"connects": "new connections a second", "crr": "transactions a second", "gbits": "Gbit/s"}
WORLDS = ("none", "hosts", "blocks", "groups", "crowd", "elsewhere")
Raw = dict[str, Any]


def policies(world: str) -> list[Raw]:
    """The manifests of a world; the last one of those that select the server allows the client."""
    if world == "none":
        return []
    if world == "elsewhere":
        return [manifest(i, {"n": str(i % NEIGHBOURS)}, block(i), [80 + i % 900]) for i in range(POLICIES)]
    peer = prefix if world == "blocks" else block
    found = [manifest(i, {"app": "server"}, peer(i), ports(world, i)) for i in range(POLICIES - 1)]
    return [*found, manifest(POLICIES - 1, {"app": "server"}, cidr(f"{CLIENT}/32"), PORTS)]


def manifest(number: int, selects: Raw, peer: Raw, allowed: list[Any]) -> Raw:
    """A NetworkPolicy; a port is a number, or a first and a last one."""
    entries = [{"port": p} if isinstance(p, int) else {"port": p[0], "endPort": p[1]} for p in allowed]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"p{number:05}", "namespace": "default", "uid": f"p{number}"},
        "spec": {"podSelector": {"matchLabels": selects}, "ingress": [{"from": [peer], "ports": entries}]},
    }


def cidr(text: str, *excepts: str) -> Raw:
    return {"ipBlock": {"cidr": text, "except": list(excepts)}}


def block(number: int) -> Raw:
    return cidr(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/32")


def prefix(number: int) -> Raw:
    """One in twenty is a /16 around others, one in four has an exception."""
    if number % 20 == 0:
        return cidr(f"172.{16 + number // 20 % 16}.0.0/{16 + number // 320 % 4}")
    base = f"172.{16 + number % 16}.{number // 16 % 256}.{number // 4096 * 64}"
    return cidr(f"{base}/27", f"{base}/32") if number % 4 == 0 else cidr(f"{base}/27")


def as_groups(view: Any) -> Any:
    """Each block as a group of pods: what translation makes of 10,000 selectors that each have one pod."""
    from tandem.base.ids import GroupId
    from tandem.ir.policy import AddressGroup, Group

    groups, sets = {}, {}
    for key, policy_set in view.sets.items():
        rules = []
        for number, rule in enumerate(policy_set.rules):
            name = GroupId(f"{number:012x}")
            groups[name] = AddressGroup(id=name, addresses=(rule.peers[0].prefix.partition("/")[0],))
            rules.append(msgspec.structs.replace(rule, peers=(Group(id=name),)))
        sets[key] = msgspec.structs.replace(policy_set, rules=tuple(rules))
    return msgspec.structs.replace(view, sets=sets, groups=groups)


def ports(world: str, number: int) -> list[Any]:
    if world == "crowd":
        return PORTS
    port = 6000 + number
    return [[port, port + 9]] if world == "blocks" else [port]


def view_of(world: str) -> Any:
    """The node's view, by way of the translation that the product uses."""
    from tandem.base.ids import ContainerId, NodeName, PodUid, SpiffeId
    from tandem.ir.fabric import LocalPod, MeshConfig, Node
    from tandem.ir.node import AttachedPod, NodeView
    from tandem.model.parse import parse
    from tandem.model.world import World
    from tandem.translate.policy import translate_policy

    places = [("server", SERVER, {"app": "server"}), ("client", CLIENT, {"app": "client"})]
    if world == "elsewhere":
        places += [(f"n{i}", f"10.245.{i >> 8}.{i & 255}", {"n": str(i)}) for i in range(NEIGHBOURS)]
    raws: list[Raw] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}]
    raws += [pod(name, address, labels) for name, address, labels in places]
    policy, _ = translate_policy(World.of([parse(raw) for raw in (*raws, *policies(world))]))
    attached = [
        AttachedPod(
            pod=LocalPod(
                uid=PodUid(name),
                namespace="default",
                name=name,
                service_account="default",
                identity=SpiffeId("spiffe://cluster.local/ns/default/sa/default"),
                ingress=policy.ingress.get(name),
                egress=policy.egress.get(name),
            ),
            container_id=ContainerId(name),
            addresses=(address,),
            host_ifname=f"td{name}",
            netns="",
        )
        for name, address, _ in places
    ]
    view = NodeView(
        node=Node(name=NodeName("bench"), addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/16",)),
        config=MeshConfig(
            trust_domain="cluster.local",
            roots_pem="",
            cluster_domain="cluster.local",
            dns_addresses=(),
            service_cidrs=("10.96.0.0/16",),
        ),
        pods=tuple(attached),
        sets=policy.sets,
        groups=policy.groups,
    )
    return as_groups(view) if world in {"groups", "crowd"} else view


def pod(name: str, address: str, labels: Raw) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": labels},
        "spec": {"nodeName": "bench", "containers": [{"name": "main", "image": "none"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    }


class Node:
    """A node, its two pods with their servers, and the table."""

    def __init__(self, world: str, stack: ExitStack) -> None:
        self.world = world
        self._name = f"tdpk-{uuid.uuid4().hex[:6]}"
        for name in (self._name, self._pod("server"), self._pod("client")):
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
        self._exec(self._name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for name, address in (("server", SERVER), ("client", CLIENT)):
            self._wire(name, address)
        self.load()
        for command in ([sys.executable, str(HERE / "cniflow.py"), "serve"], ["iperf3", "-s"]):
            server = subprocess.Popen(
                ["ip", "netns", "exec", self._pod("server"), *command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(server.wait)
            stack.callback(server.kill)
        self._client = subprocess.Popen(
            ["ip", "netns", "exec", self._pod("client"), sys.executable, __file__, "client", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(self._client.wait)
        stack.callback(self._client.kill)

    def _pod(self, name: str) -> str:
        return f"{self._name}-{name}"

    def _wire(self, name: str, address: str) -> None:
        netns, link = self._pod(name), f"td{name}"
        run("ip", "-n", self._name, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", netns)
        for where, device in ((self._name, link), (netns, "eth0"), (netns, "lo")):
            run("ip", "-n", where, "link", "set", device, "up")
        mac = self._exec(self._name, "cat", f"/sys/class/net/{link}/address").strip()
        own = self._exec(netns, "cat", "/sys/class/net/eth0/address").strip()
        run("ip", "-n", self._name, "neigh", "add", address, "lladdr", own, "dev", link, "nud", "permanent")
        run("ip", "-n", netns, "addr", "add", f"{address}/32", "dev", "eth0")
        run("ip", "-n", netns, "neigh", "add", GATEWAY, "lladdr", mac, "dev", "eth0", "nud", "permanent")
        run("ip", "-n", netns, "route", "add", "default", "via", GATEWAY, "dev", "eth0", "onlink")
        run("ip", "-n", self._name, "route", "add", f"{address}/32", "dev", link)

    def _exec(self, netns: str, *command: str) -> str:
        return run("ip", "netns", "exec", netns, *command)

    def load(self) -> None:
        """Compile and load the table, with the seconds that each takes."""
        from tandem.compile.nft.node import compile_nft
        from tandem.drivers.nft.plan import plan
        from tandem.drivers.nft.real import Libnftables

        began = time.perf_counter()
        view = view_of(self.world)
        seen = time.perf_counter()
        table = compile_nft(view)
        compiled = time.perf_counter()
        driver = Libnftables(f"/run/netns/{self._name}")
        driver.apply(plan(driver.read(), table))
        loaded = time.perf_counter()
        self.size = {
            "chains": len(table.chains),
            "base chains": sum(chain.base is not None for chain in table.chains),
            "sets and maps": len(table.sets) + len(table.maps),
            "elements": sum(len(s.elements) for s in table.sets) + sum(len(m.elements) for m in table.maps),
            "translate s": round(seen - began, 2),
            "compile s": round(compiled - seen, 2),
            "load s": round(loaded - compiled, 2),
        }

    def figure(self, figure: str) -> float:
        """One slice, or one stream."""
        if figure == "gbits":
            found = json.loads(self._exec(self._pod("client"), "iperf3", "-J", "-c", SERVER, "-t", str(SECONDS)))
            return float(found["end"]["sum_received"]["bits_per_second"]) / 1e9
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        self._client.stdin.write(f"{figure} {SECONDS / SLICES}\n")
        self._client.stdin.flush()
        return float(self._client.stdout.readline())


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def connects(address: str, seconds: float) -> float:
    """Connections a second, each answered by the server's kernel with a reset."""
    count, began = 0, time.perf_counter()
    gone = struct.pack("ii", 1, 0)
    while (now := time.perf_counter()) - began < seconds:
        for _ in range(20):
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone)
                if client.connect_ex((address, CLOSED)) != 111:  # ECONNREFUSED
                    raise SystemExit("the port is not reached")
        count += 20
    return count / (now - began)


def client(address: str) -> None:
    """Lines `figure seconds` on standard input, rates on standard output."""
    for line in sys.stdin:
        figure, seconds = line.split()
        print({"connects": connects, "crr": cniflow.crr}[figure](address, float(seconds)), flush=True)


def measure(rounds: int) -> tuple[dict[str, Any], dict[str, dict[str, list[float]]]]:
    """Sizes of the worlds; figure -> world -> value of each round."""
    found: dict[str, dict[str, list[float]]] = {f: {w: [] for w in WORLDS} for f in FIGURES}
    with ExitStack() as stack:
        nodes = []
        for world in WORLDS:
            print(f"world {world}", flush=True)
            nodes.append(Node(world, stack))
        for node in nodes:  # warm up
            for figure in FIGURES:
                node.figure(figure)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            for figure in FIGURES:
                slices: dict[str, list[float]] = {w: [] for w in WORLDS}
                for turn in range(1 if figure == "gbits" else SLICES):
                    for node in nodes[:: -1 if (number + turn) % 2 else 1]:
                        slices[node.world].append(node.figure(figure))
                for world, values in slices.items():
                    found[figure][world].append(statistics.median(values))
        return {node.world: node.size for node in nodes}, found


def main(rounds: int = ROUNDS) -> None:
    sizes, found = measure(rounds)
    rows = []
    for figure, worlds in found.items():
        for world, values in worlds.items():
            ratios = [mine / without for mine, without in zip(values, worlds["none"], strict=True)]
            rows.append(
                {
                    "figure": figure,
                    "world": world,
                    "median": round(statistics.median(values), 2),
                    "low": round(min(values), 2),
                    "high": round(max(values), 2),
                    "ratio": round(statistics.median(ratios), 3),
                    "ratios": [round(ratio, 3) for ratio in ratios],
                }
            )
    whole = {
        "what": f"{POLICIES} policies, {POLICIES} addresses: what a packet pays",
        "machine": f"{platform.machine()}, kernel {platform.release()}",
        "rounds": rounds,
        "rows": rows,
        "tables": sizes,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "policy-packets.json").write_text(json.dumps(whole, indent=1) + "\n")
    (RESULTS / "policy-packets.md").write_text(text(whole))
    print(text(whole))


def text(whole: Raw) -> str:
    lines = [
        f"# {whole['what']}",
        "",
        f"{whole['machine']}; {whole['rounds']} rounds of {SECONDS} s a figure, in {SLICES} slices.",
        "",
    ]
    lines += ["| figure | world | median | low..high | ratio to none | round by round |", "|---|---|---|---|---|---|"]
    for row in whole["rows"]:
        turns = " ".join(f"{ratio:.2f}" for ratio in row["ratios"])
        spread = f"{row['low']:g}..{row['high']:g}"
        ratio, named = ("", "") if row["world"] == "none" else (f"{row['ratio']:.3f}", turns)
        what = f"{row['figure']}, {FIGURES[row['figure']]}"
        lines.append(f"| {what} | {row['world']} | {row['median']:g} | {spread} | {ratio} | {named} |")
    names = list(next(iter(whole["tables"].values())))
    lines += ["", f"| table of | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {world} | {' | '.join(f'{v:g}' for v in size.values())} |" for world, size in whole["tables"].items()]
    lines += ["", "Target: 0.95 for new connections and throughput in every world. Worlds are described in"]
    lines += ["`bench/packets.py`; the policies go through the product's translation and compiler."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(sys.argv[2])
    else:
        main()
