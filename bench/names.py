"""First connections to names in policies, into bench/results/: how long they take, how many packets were too early.

In: the installed machine, root; `PYTHONPATH=src:tests python -P bench/names.py`. Out: `bench/results/names.json` and
`names.md`. Namespaces of its own, with the laboratory of tests/netns/nameslab.py; the client connects so long after its
answer. Nothing passes or fails here.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from netns.nameslab import CLIENT, Agent, NamesLab

RESULTS = Path(__file__).resolve().parent / "results"
NAMES: Final = 100
AFTER_MS: Final = (0.0, 1.0, 2.0)
PROGRAM: Final = """
import json, socket, struct, sys, time
count, form, after = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
dns.connect(("10.96.0.10", 53))
found = []
for number in range(count):
    labels = form.replace("N", str(number)).split(".")
    name = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\\0"
    dns.send(struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1))
    address = socket.inet_ntoa(dns.recv(4096)[-4:])
    if after:
        time.sleep(after / 1000)
    connecting = time.perf_counter()
    with socket.create_connection((address, 80), timeout=5):
        found.append(1000 * (time.perf_counter() - connecting))
    time.sleep(0.06)
print(json.dumps(found))
"""


def main() -> None:
    """Measure and write both files."""
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as path:
        lab = NamesLab(Path(path))
        try:
            lab.start()
            lab.upstream.zone["example.test", "A"] = ["192.0.2.250"]
            lab.play(lambda agent: _measure(lab, agent, rows))
        finally:
            lab.stop()
    machine = {"kernel": platform.release(), "cpus": os.cpu_count(), "machine": platform.machine(), "names": NAMES}
    (RESULTS / "names.json").write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    (RESULTS / "names.md").write_text("\n".join(_page(rows, machine)) + "\n")


async def _measure(lab: NamesLab, agent: Agent, rows: dict[str, dict[str, float]]) -> None:
    await agent.until(lambda: agent.now.learned.get("example.test") == ("192.0.2.250",))
    for after in AFTER_MS:
        for kind in ("written out", "below a wildcard"):
            word = f"n{int(after)}"
            for n in range(NAMES):
                # An address of its own for each name: one that is known already would be open.
                octet = n + 1 + 100 * (int(after) % 2)
                prefix = "192.0.2" if after < 2 else "192.0.3"
                lab.upstream.zone[f"{word}x{n}.shop.test", "A"] = [f"{prefix}.{octet}"]
            form = "example.test" if kind == "written out" else f"{word}xN.shop.test"
            argv = ["ip", "netns", "exec", lab.netns_of(CLIENT), "python3", "-I", "-S", "-c", PROGRAM]
            early = len(agent.denied)
            done = await asyncio.to_thread(
                subprocess.run, [*argv, str(NAMES), form, str(after)], capture_output=True, text=True, check=True
            )
            found = sorted(json.loads(done.stdout))
            rows[f"{kind}, {after:g} ms after the answer"] = {
                "known": NAMES - (len(agent.denied) - early),
                "median": round(statistics.median(found), 2),
                "p99": round(found[NAMES * 99 // 100], 2),
            }


def _page(rows: dict[str, dict[str, float]], machine: Mapping[str, object]) -> list[str]:
    return [
        "# First connections to names in policies",
        "",
        f"{machine['machine']}, {machine['cpus']} CPUs, kernel {machine['kernel']}, {machine['names']} names each",
        "",
        "| name | known at the first packet | connect ms, median | p99 |",
        "|---|---|---|---|",
        *(f"| {name} | {row['known']} | {row['median']} | {row['p99']} |" for name, row in rows.items()),
    ]


if __name__ == "__main__":
    main()
