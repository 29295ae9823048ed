"""`bench/run.py policy`: from a change in the API to the kernel of a node, and what that costs beside ever more pods.

In: root. Out: `bench/results/policy-changes.json`, `.md` and `policy-scale.svg`. Nothing here passes or fails. API
server, control, the measured node's agent and the other nodes' ends are processes of their own; the node's pods are
attached by its CNI plugin, and the kernel tells when it has a change. Takes about ten minutes.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from cni import PREPARE, p99
from svg import chart

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PODS, POLICIES, NODE = 10_000, 1_000, 1_000
CHANGES = 30
SCALE = (100, 1_000, 10_000, 100_000)
SPACE = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private", "--kill-child"]


def world(pods: int, policies: int, size: int, changes: int) -> dict[str, Any]:
    """One cluster with its processes, in namespaces of its own."""
    print(f"{pods} pods, {policies} policies, {size} pods a node", flush=True)
    worker = [sys.executable, str(ROOT / "bench" / "policyworld.py"), *map(str, (pods, policies, size, changes))]
    return answer([*SPACE, "sh", "-c", PREPARE, "sh", *worker])


def scale(pods: int, policies: int) -> dict[str, Any]:
    print(f"stages beside {pods} pods and {policies} policies", flush=True)
    return answer([sys.executable, str(ROOT / "bench" / "policyscale.py"), str(pods), str(policies), "60"])


def answer(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"no figures: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def main() -> None:
    load = [os.getloadavg()]
    measured = world(PODS, POLICIES, NODE, CHANGES)
    load.append(os.getloadavg())
    fewer = {"pods": world(PODS // 5, POLICIES, NODE, 0), "policies": world(PODS, POLICIES // 10, NODE, 0)}
    whole = world(PODS, POLICIES, NODE, 0)
    stages = [scale(pods, POLICIES) for pods in SCALE]
    result = {
        "what": "Network policy: from a change in the API to the kernel of a node",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, kernel {platform.release()}",
        "load": load,
        "changes": measured,
        "memory": {
            "measured": measured["memory"],
            "whole": whole["memory"],
            **{k: v["memory"] for k, v in fewer.items()},
        },
        "stages": stages,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "policy-changes.json").write_text(json.dumps(result, indent=1) + "\n")
    lines = {
        name: [(math.log10(stage["pods"]), round(stage["figures"][name]["median"], 2)) for stage in stages]
        for name in ("label change", "policy change", "pod start")
    }
    title = "CPU of one change, control and one node, without the kernel"
    (RESULTS / "policy-scale.svg").write_text(chart(title, lines, x="pods, as a power of ten", y="ms"))
    (RESULTS / "policy-changes.md").write_text(text(result))
    print(text(result))


def text(result: dict[str, Any]) -> str:
    before, after = (f"{load[0]:.1f}" for load in result["load"])
    lines = [f"# {result['what']}", "", f"{result['machine']}; load {before} before and {after} after."]
    lines += [f"{NODE} pods on the node, {PODS} in the cluster, {POLICIES} policies; {CHANGES} changes of each kind."]
    lines += ["", "| change | from the event at control: p50 | p99 | least | from the call to the API: p50 | p99 |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, figures in result["changes"]["figures"].items():
        api, event = ([figure[i] for figure in figures] for i in (0, 1))
        row = (statistics.median(event), p99(event), min(event), statistics.median(api), p99(api))
        lines.append(f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |")
    reload = result["changes"]["nft -f"]
    if reload:
        low, high = min(reload), max(reload)
        lines += [
            "",
            f"Stand-in, no peer: `nft -f` of all rules of the node anew takes {low:.0f} to {high:.0f} ms here.",
        ]
    lines += ["", "Targets: p50 at most 20 ms, p99 at most 100 ms, on a machine of one's own. Nothing is asserted."]
    lines += ["", "| CPU ms of one change beside | label change | policy change | pod start | whole translation |"]
    lines += ["|---|---|---|---|---|"]
    for stage in result["stages"]:
        figures = stage["figures"]
        names = ("label change", "policy change", "pod start", "whole translation")
        cells = [f"{figures[name]['median']:.2f}" if name in figures else "" for name in names]
        lines.append(f"| {stage['pods']} pods | {' | '.join(cells)} |")
    lines += ["", "![CPU of one change](policy-scale.svg)", "", *memory(result["memory"])]
    return "\n".join(lines) + "\n"


def memory(found: dict[str, dict[str, float]]) -> list[str]:
    whole, fewer_pods, fewer_policies = (found[key]["control"] for key in ("whole", "pods", "policies"))
    pod = (whole - fewer_pods) / (PODS - PODS // 5) * 1024
    policy = (whole - fewer_policies) / (POLICIES - POLICIES // 10) * 1024
    agent = found["measured"]
    empty, full = agent["agent with no pod"], agent[f"agent with {NODE} pods"]
    each = (full - empty) / NODE * 1024
    control = f"{whole:.0f} MB; {pod:.1f} KiB for each pod, {policy:.1f} KiB for each policy"
    of_agent = f"{empty:.0f} MB without pods of its own, {full:.0f} MB with {NODE} and as many policy sets"
    return [f"Resident memory of control: {control}.", f"Of the agent: {of_agent}, {each:.1f} KiB for each."]
