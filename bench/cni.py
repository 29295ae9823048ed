"""`bench/run.py cni`: ADD, DEL, traffic and memory of our CNI beside Debian's Go plugins, pair by pair in one run.

In: root, Debian's containernetworking-plugins and iperf3. Out: `bench/results/cni.json` and `cni.md`. Nothing here
passes or fails. Every contender lives in a world of its own (cniworld.py); in each round all take their turn.
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

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
ROUNDS = 3
SERIAL = 30
FULL = 500
SERVICES = 10_000
SECONDS = 1
LOADED = "tandem-10k"
"""With Services: traffic and memory; ADD and DEL in one short series."""
CONTENDERS = {"tandem": ("tandem", 0), LOADED: ("tandem", SERVICES), "bridge": ("bridge", 0), "ptp": ("ptp", 0)}
PREPARE = (
    "for m in $(awk '$5 ~ \"^/(run|tmp)/\" {print $5}' /proc/self/mountinfo | sort -r); do umount -l $m; done;"
    " mount -t tmpfs tmpfs /run && mkdir /run/netns && mount -t tmpfs tmpfs /tmp && chmod 1777 /tmp"
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

    def do(self, name: str, *arguments: float) -> Any:
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
    for name, world in worlds.items():
        if name == LOADED:
            continue
        found = world.do("parallel", max(SERIAL, at_once), at_once)
        for verb in ("add", "del"):
            samples.add(f"{verb} {suffix}", name, found[verb])


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
            for name, world in worlds.items():
                for figure, value in world.do("traffic", SECONDS).items():
                    samples.add(figure, name, [value])
        print(f"attaching {FULL} pods in each world", flush=True)
        for world in worlds.values():
            world.do("fill", FULL)
        for _ in range(rounds):
            latency(worlds, samples, f"at {FULL} pods")
        memory = {name: worlds[name].do("memory") for name in CONTENDERS if name.startswith("tandem")}
    return {"samples": samples, "memory": memory, "loaded": {k: statistics.median(v) for k, v in loaded.items()}}


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
            if name != "bridge":
                theirs = [statistics.median(turn) for turn in contenders["bridge"]]
                ratios = [mine / other for mine, other in zip(medians, theirs, strict=True)]
                row["ratios"] = [round(r, 3) for r in ratios]
                row["ratio"] = statistics.median(ratios)
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
    whole = {
        "what": "CNI: ours (plugin and agent) beside Debian's bridge and ptp, each with host-local and portmap",
        "machine": f"{platform.machine()}, {cpus} CPUs, kernel {platform.release()}",
        "rounds": rounds,
        "unit": "ms for add and del; Gbit/s; transactions a second for rr and crr",
        "rows": table,
        f"growth 0 to {FULL} pods": growth,
        f"ms with {SERVICES} Services": {verb: round(value, 1) for verb, value in result["loaded"].items()},
        "agent MB": {name: round(value, 1) for name, value in result["memory"].items()},
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "cni.json").write_text(json.dumps(whole, indent=1) + "\n")
    (RESULTS / "cni.md").write_text(text(whole, growth))
    print(text(whole, growth))


def text(whole: dict[str, Any], growth: dict[str, float]) -> str:
    lines = [f"# {whole['what']}", "", f"{whole['machine']}; {whole['rounds']} rounds; {whole['unit']}.", ""]
    lines += ["| figure | contender | median | p99 | low..high of medians | ratio to bridge | round by round |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for r in whole["rows"]:
        turns = " ".join(f"{x:.2f}" for x in r.get("ratios", ()))
        ratio = f"{r['ratio']:.2f}" if "ratio" in r else ""
        spread = f"{r['low']:.1f}..{r['high']:.1f}"
        lines.append(
            f"| {r['figure']} | {r['contender']} | {r['median']:.1f} | {r['p99']:.1f} | {spread} | {ratio} | {turns} |"
        )
    lines += ["", f"Growth of the median from 0 to {FULL} pods:"]
    lines += ["".join(f"{name} {value}; " for name, value in growth.items()).rstrip("; ") + "."]
    memory = "; ".join(f"{name} {value} MB" for name, value in whole["agent MB"].items())
    lines += ["", f"Resident memory of the agent at {FULL} pods (10k: with {SERVICES} Services): {memory}."]
    loaded = whole[f"ms with {SERVICES} Services"]
    lines += ["", f"With {SERVICES} Services, serially: ADD {loaded['add']} ms, DEL {loaded['del']} ms (median of 10)."]
    lines += ["", "Targets: ADD p50 <= 0.75 and DEL p50 <= 0.5 of bridge, also at 50 at once; growth of ADD <= 1.3;"]
    lines += ["traffic >= bridge, also with 10,000 Services; agent < 200 MB. Nothing is asserted."]
    return "\n".join(lines) + "\n"
