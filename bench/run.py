"""`make bench`: figures into bench/results/, medians with spread; nothing here passes or fails.

In: the machine installed, root; `run.py NAME` runs one of BENCHES. Out: `bench/results/NAME.*`.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cni
import growth
import meshcontrol
import packets
import policy

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
TANDEM = [sys.executable, "-m", "tandem.apps.cli.main"]
ROUNDS = 5


def tandem(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TANDEM, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


def first_request() -> dict[str, float]:
    """Seconds from the start of `tandem up` to readiness of the 12-pod shop, and to the answer of an mTLS request."""
    began = time.perf_counter()
    up = tandem("up", "-f", "examples/shop", "--detach", "-o", "json")
    ready = time.perf_counter() - began
    if up.returncode != 0:
        raise SystemExit(f"tandem up failed: {up.stdout}{up.stderr}")
    request = tandem("exec", "-n", "shop", "client", "--", "curl", "-s", "-m", "5", "http://orders/")
    answered = time.perf_counter() - began
    seen = json.loads(request.stdout)
    if "spiffe://" not in seen["identity"]:
        raise SystemExit(f"the first request was not mTLS: {seen}")
    return {"ready_seconds": ready, "first_request_seconds": answered, **memory()}


def memory() -> dict[str, float]:
    """Resident MB by role, once the shop is up."""
    roles = {"control": "tandem.apps.control", "agent": "tandem.apps.agent", "runtime": "tandem.apps.runtime"}
    found: dict[str, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            status = (entry / "status").read_text()
        except OSError:
            continue
        for role, module in roles.items():
            if module in command:
                resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
                found[f"{role}_mb"] = found.get(f"{role}_mb", 0.0) + int(resident.split()[1]) / 1024
    found["agent_and_control_mb"] = found.get("agent_mb", 0.0) + found.get("control_mb", 0.0)
    return found


def summary(rounds: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        key: {
            "median": round(statistics.median(r[key] for r in rounds), 2),
            "min": round(min(r[key] for r in rounds), 2),
            "max": round(max(r[key] for r in rounds), 2),
        }
        for key in rounds[0]
    }


def startup() -> None:
    tandem("down")
    rounds: list[dict[str, float]] = []
    for number in range(1 + ROUNDS):
        print(f"round {number} of {ROUNDS} (0 is the warm-up)", flush=True)
        figures = first_request()
        if number:
            rounds.append(figures)
        tandem("down")
    result: dict[str, Any] = {
        "what": "12-pod shop, from `tandem up` on the installed machine",
        "machine": f"{platform.processor() or platform.machine()}, {len(cpus())} CPUs, kernel {platform.release()}",
        "rounds": rounds,
        "summary": summary(rounds),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "startup.json").write_text(json.dumps(result, indent=1) + "\n")
    lines = ["| figure | median | min | max |", "|---|---|---|---|"]
    lines += [f"| {k} | {v['median']} | {v['min']} | {v['max']} |" for k, v in result["summary"].items()]
    (RESULTS / "startup.md").write_text(f"# {result['what']}\n\n{result['machine']}\n\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))


def cpus() -> list[str]:
    return [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("processor")]


def dns() -> None:
    """In a process of its own, which enters a network namespace."""
    subprocess.run([sys.executable, str(ROOT / "bench" / "dns.py")], check=True)


def mesh() -> None:
    """In a process of its own, which finds the tests' pods in namespaces."""
    paths = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"}
    subprocess.run([sys.executable, "-P", str(ROOT / "bench" / "mesh.py")], check=True, env=paths)


BENCHES = {
    "startup": startup,
    "cni": cni.main,
    "growth": growth.main,
    "packets": packets.main,
    "policy": policy.main,
    "mesh": mesh,
    "control": meshcontrol.main,
    "dns": dns,
}


def main() -> None:
    for name in sys.argv[1:] or BENCHES:
        if name not in BENCHES:
            raise SystemExit(f"{name}: no such benchmark; there are {', '.join(BENCHES)}")
        BENCHES[name]()


if __name__ == "__main__":
    main()
