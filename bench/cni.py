"""`bench/run.py cni`: ADD, DEL, traffic and memory of our CNI beside Debian's Go plugins, pair by pair in one run.

In: root, Debian's containernetworking-plugins and iperf3. Out: `bench/results/cni.json`, `cni.md`, and two charts of
what an ADD costs beside pods and beside Services. Nothing here passes or fails. Every contender lives in a world of its
own (cniworld.py); in each round all take their turns, figure by figure, in turning order. Takes about twelve minutes.
"""

from __future__ import annotations

import json
import math
import platform
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svg import chart

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
ROUNDS = 5
SERIAL = 30
FULL = 500
PODS = (0, 100, 200, 300, 400, FULL)
SERVICES = 10_000
CLUSTERS = (0, 1000, 2500, 5000, SERVICES)
SECONDS = 1.0
SLICES = 3
"""Of traffic in each round: what else the machine does moves one second of it by 3 %."""
FIGURES = ("gbits", "rr", "crr")
INSTALLED = "bridge-masq"
"""As Debian's podman (`87-podman-bridge.conflist`) and containerd's own installation have the plugin."""
LOADED = "tandem-10k"
"""With Services: traffic and memory; ADD and DEL in one short series."""
CONTENDERS = {
    "tandem": ("tandem", 0),
    LOADED: ("tandem", SERVICES),
    "bridge": ("bridge", 0),
    "bridge-masq": ("bridge-masq", 0),
    "ptp": ("ptp", 0),
}
PREPARE = (
    "for m in $(awk '$5 ~ \"^/(run|tmp)/\" {print $5}' /proc/self/mountinfo | sort -r); do umount -l $m; done;"
    " mount -t tmpfs tmpfs /run && mkdir /run/netns && mount -t tmpfs tmpfs /tmp && chmod 1777 /tmp"
    " && mount -t tmpfs tmpfs /dev/shm"
    ' && mkdir -p /var/lib/cni && mount -t tmpfs tmpfs /var/lib/cni && ip link set lo up && exec "$@"'
)


class Contender:
    """A world and the process in it."""

    def __init__(self, kind: str, services: int) -> None:
        space = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
        worker = [sys.executable, str(ROOT / "bench" / "cniworld.py"), kind, str(services)]
        self._process = subprocess.Popen(
            [*space, "--kill-child", "sh", "-c", PREPARE, "sh", *worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def do(self, name: str, *arguments: str | float) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a world ended: its message is above")
        return json.loads(line)


@dataclass
class Samples:
    """figure -> contender -> round -> values."""

    found: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)

    def add(self, figure: str, contender: str, values: list[float]) -> None:
        self.found.setdefault(figure, {}).setdefault(contender, []).append(values)

    def median(self, figure: str, contender: str) -> float:
        return statistics.median(statistics.median(r) for r in self.found[figure][contender])


def p99(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


def latency(worlds: dict[str, Contender], samples: Samples, suffix: str, *, at_once: int = 1) -> None:
    """One round: every contender once."""
    for name, world in turning(worlds, samples, f"add {suffix}"):
        if name == LOADED:
            continue
        found = world.do("parallel", max(SERIAL, at_once), at_once)
        for verb in ("add", "del"):
            samples.add(f"{verb} {suffix}", name, found[verb])


def traffic(worlds: dict[str, Contender], samples: Samples, figure: str) -> None:
    """One round: every contender some seconds, one after the other."""
    found: dict[str, list[float]] = {name: [] for name in worlds}
    turns = turning(worlds, samples, figure)
    for turn in range(SLICES):
        for name, world in turns[:: -1 if turn % 2 else 1]:
            found[name].append(world.do("flow", figure, SECONDS))
    for name, values in found.items():
        samples.add(figure, name, values)


def turning(worlds: dict[str, Contender], samples: Samples, figure: str) -> list[tuple[str, Contender]]:
    """The contenders, every second time in the opposite order: what grows during a run favours nobody."""
    done = len(next(iter(samples.found.get(figure, {}).values()), []))
    return list(worlds.items())[:: -1 if done % 2 else 1]


def beside_pods(worlds: dict[str, Contender]) -> dict[str, list[tuple[float, float]]]:
    """What one ADD takes, and ADD and DEL cost the agent, while pods are attached."""
    found: dict[str, list[tuple[float, float]]] = {}
    for pods in PODS:
        print(f"{pods} pods in each world", flush=True)
        for name, world in worlds.items():
            world.do("fill", pods)
            cost = world.do("cost", SERIAL)
            found.setdefault(f"ADD {name}", []).append((pods, cost["add"]))
            if name == "tandem":
                found.setdefault("CPU of the agent", []).append((pods, cost["cpu"]))
    return found


def beside_services() -> dict[str, list[tuple[float, float]]]:
    """The same in clusters with ever more Services."""
    found: dict[str, list[tuple[float, float]]] = {}
    for services in CLUSTERS:
        print(f"a cluster with {services} Services", flush=True)
        world = Contender("tandem", services)
        world.do("parallel", 10, 1)
        cost = world.do("cost", SERIAL)
        world.close()
        found.setdefault("ADD tandem", []).append((services, cost["add"]))
        found.setdefault("CPU of the agent", []).append((services, cost["cpu"]))
    return found


def measure(rounds: int) -> dict[str, Any]:
    samples, memory = Samples(), {}
    with ExitStack() as stack:
        worlds = {}
        for name, arguments in CONTENDERS.items():
            worlds[name] = Contender(*arguments)
            stack.callback(worlds[name].close)
        for world in worlds.values():
            world.do("pair")
            world.do("parallel", 10, 5)
            world.do("traffic", 1)
        loaded = worlds[LOADED].do("parallel", 10, 1)
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            latency(worlds, samples, "serial")
            latency(worlds, samples, "10 at once", at_once=10)
            latency(worlds, samples, "50 at once", at_once=50)
            for figure in FIGURES:
                traffic(worlds, samples, figure)
        pods = beside_pods({name: world for name, world in worlds.items() if name != LOADED})
        worlds[LOADED].do("fill", FULL)
        for _ in range(rounds):
            latency(worlds, samples, f"at {FULL} pods")
        memory = {name: worlds[name].do("memory") for name in CONTENDERS if name.startswith("tandem")}
    medians = {k: statistics.median(v) for k, v in loaded.items()}
    return {"samples": samples, "memory": memory, "loaded": medians, "pods": pods, "services": beside_services()}


def rows(samples: Samples) -> list[dict[str, Any]]:
    """One row per figure and contender; `ratio` is ours to theirs, round by round."""
    found = []
    for figure, contenders in samples.found.items():
        for name, turns in contenders.items():
            every = [v for turn in turns for v in turn]
            medians = [statistics.median(turn) for turn in turns]
            row = {
                "figure": figure,
                "contender": name,
                "median": statistics.median(medians),
                "p99": p99(every),
                "low": min(medians),
                "high": max(medians),
            }
            for peer, key in (("bridge", "ratio"), (INSTALLED, "ratio as installed")):
                if name != peer:
                    theirs = [statistics.median(turn) for turn in contenders[peer]]
                    ratios = [mine / other for mine, other in zip(medians, theirs, strict=True)]
                    row[f"{key}, by round"] = [round(r, 3) for r in ratios]
                    row[key] = statistics.median(ratios)
            found.append({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})
    return found


def main(rounds: int = ROUNDS) -> None:
    result = measure(rounds)
    samples: Samples = result["samples"]
    table = rows(samples)
    growth = {
        f"{verb} {name}": round(
            samples.median(f"{verb} at {FULL} pods", name) / samples.median(f"{verb} serial", name), 2
        )
        for name in CONTENDERS
        if name != LOADED
        for verb in ("add", "del")
    }
    cpus = Path("/proc/cpuinfo").read_text().count("processor\t")
    whole: dict[str, Any] = {
        "what": "CNI: ours (plugin and agent) beside Debian's bridge and ptp, each with host-local and portmap",
        "machine": f"{platform.machine()}, {cpus} CPUs, kernel {platform.release()}",
        "rounds": rounds,
        "unit": "ms for add and del; Gbit/s; transactions a second for rr and crr",
        "rows": table,
        f"growth 0 to {FULL} pods": growth,
        f"ms with {SERVICES} Services": {verb: round(value, 1) for verb, value in result["loaded"].items()},
        "agent MB": {name: round(value, 1) for name, value in result["memory"].items()},
        "beside pods": rounded(result["pods"]),
        "beside Services": rounded(result["services"]),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    for what in ("pods", "services"):
        lines = whole["beside pods" if what == "pods" else "beside Services"]
        title = f"One ADD beside {what} that are there; CPU: ADD and DEL"
        picture = chart(title, lines, x=what, y="ms")
        (RESULTS / f"cni-{what}.svg").write_text(picture)
    (RESULTS / "cni.json").write_text(json.dumps(whole, indent=1) + "\n")
    (RESULTS / "cni.md").write_text(text(whole, growth))
    print(text(whole, growth))


def rounded(series: dict[str, list[tuple[float, float]]]) -> dict[str, list[tuple[float, float]]]:
    return {name: [(x, round(y, 2)) for x, y in line] for name, line in series.items()}


def text(whole: dict[str, Any], growth: dict[str, float]) -> str:
    lines = [f"# {whole['what']}", "", f"{whole['machine']}; {whole['rounds']} rounds; {whole['unit']}.", ""]
    peers = (("ratio", "to bridge"), ("ratio as installed", f"to {INSTALLED}"))
    titles = ["figure", "contender", "median", "p99", "low..high of medians"]
    titles += [title for _, name in peers for title in (f"ratio {name}", "round by round")]
    lines += [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for r in whole["rows"]:
        cells = [
            r["figure"],
            r["contender"],
            f"{r['median']:.1f}",
            f"{r['p99']:.1f}",
            f"{r['low']:.1f}..{r['high']:.1f}",
        ]
        for key, _ in peers:
            cells.append(f"{r[key]:.2f}" if key in r else "")
            cells.append(" ".join(f"{x:.2f}" for x in r.get(f"{key}, by round", ())))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Growth of the median from 0 to {FULL} pods:"]
    lines += ["".join(f"{name} {value}; " for name, value in growth.items()).rstrip("; ") + "."]
    lines += ["Minutes lie between the two, and what the machine did: `bench/run.py growth` measures ours in turns."]
    memory = "; ".join(f"{name} {value} MB" for name, value in whole["agent MB"].items())
    lines += ["", f"Resident memory of the agent at {FULL} pods (10k: with {SERVICES} Services): {memory}."]
    loaded = whole[f"ms with {SERVICES} Services"]
    lines += ["", f"With {SERVICES} Services, serially: ADD {loaded['add']} ms, DEL {loaded['del']} ms (median of 10)."]
    for what in ("beside pods", "beside Services"):
        table = whole[what]
        numbers = [f"{x:g}" for x, _ in next(iter(table.values()))]
        lines += ["", f"| ms {what} | {' | '.join(numbers)} |", "|---" * (len(numbers) + 1) + "|"]
        lines += [f"| {name} | {' | '.join(f'{y:.1f}' for _, y in line)} |" for name, line in table.items()]
    lines += ["", "![ADD beside pods](cni-pods.svg) ![ADD beside Services](cni-services.svg)"]
    lines += ["", "Targets: ADD p50 <= 0.75 and DEL p50 <= 0.5 of bridge, also at 50 at once; growth of ADD <= 1.3;"]
    lines += ["traffic >= bridge, also with 10,000 Services; agent < 200 MB. Nothing is asserted."]
    lines += [
        "`bridge` is the bare plugin, whose pods do not reach the outside; `bridge-masq` has `ipMasq`, as Debian's"
    ]
    lines += [
        "podman and containerd install it, and so a table of NAT and the kernel's connection tracking, as ours has."
    ]
    return "\n".join(lines) + "\n"
