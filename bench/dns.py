"""DNS figures into bench/results/: answers a second of one core by kind of question, memory, start and change times.

In: the installed machine, root, Debian's `dnsperf`. Out: `bench/results/dns.json` and `dns.md`. A namespace of its own,
10,000 Services; the server on the first CPU, the client on the last. Nothing here passes or fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tandem.base.paths import NodeDir
from tandem.drivers.dns.plan import plan
from tandem.drivers.dns.process import Unbound
from tandem.state.dns import Answers, DnsSettings, Record

RESULTS = Path(__file__).resolve().parent / "results"
ADDRESS: Final = "10.96.0.10"
SERVICES: Final = 10_000
ROUNDS: Final = 5
SECONDS: Final = 3
TCP_CLIENTS: Final = 16
QUESTIONS: Final = {
    "a Service": [f"s{n}.big.svc.cluster.local A" for n in range(SERVICES)],
    f"a Service, by TCP ({TCP_CLIENTS} connections)": [f"s{n}.big.svc.cluster.local A" for n in range(SERVICES)],
    "its AAAA record": [f"s{n}.six.svc.cluster.local AAAA" for n in range(SERVICES)],
    "its SRV record": [f"_http._tcp.s{n}.big.svc.cluster.local SRV" for n in range(SERVICES)],
    "its absent AAAA": [f"s{n}.big.svc.cluster.local AAAA" for n in range(SERVICES)],
    "absent, asked before": [f"none{n}.big.svc.cluster.local A" for n in range(1000)],
    "absent, never asked": [f"new{n}.big.svc.cluster.local A" for n in range(1_000_000)],
    "an alias": [f"alias{n}.big.svc.cluster.local A" for n in range(1000)],
}


def records() -> Answers:
    found = set()
    for n in range(SERVICES):
        name = f"s{n}.big.svc.cluster.local."
        found.add(Record(name, "A", f"10.96.{n // 250}.{n % 250}"))
        found.add(Record(f"s{n}.six.svc.cluster.local.", "AAAA", f"fd00:10:96::{n:x}"))
        found.add(Record(f"_http._tcp.{name}", "SRV", f"0 100 80 {name}"))
        found.add(Record(f"{n % 250}.{n // 250}.96.10.in-addr.arpa.", "PTR", name))
    found |= {Record(f"alias{n}.big.svc.cluster.local.", "CNAME", f"s{n}.big.svc.cluster.local.") for n in range(1000)}
    return Answers(records=frozenset(found))


def throughput(questions: Path, cpu: int, mode: str) -> dict[str, float]:
    # On a single connection the two sides wait for each other's acknowledgements, 40 ms at a time.
    clients = ["-c", str(TCP_CLIENTS)] if mode == "tcp" else []
    asker = ["dnsperf", "-m", mode, "-s", ADDRESS, "-d", str(questions), "-l", str(SECONDS), "-q", "64", *clients]
    done = subprocess.run(
        ["taskset", "-c", str(cpu), *asker],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lost = re.search(r"Queries lost:\s+(\d+)", done)
    rate = re.search(r"Queries per second:\s+([\d.]+)", done)
    delay = re.search(r"Average Latency \(s\):\s+([\d.]+)", done)
    assert lost
    assert rate
    assert delay
    return {"answers_per_second": float(rate[1]), "mean_ms": float(delay[1]) * 1000, "lost": int(lost[1])}


async def ready(server: Unbound) -> None:
    while not (await server.status()).ready:  # noqa: ASYNC110 - another process is polled
        await asyncio.sleep(0.001)


async def changes(server: Unbound, answers: Answers) -> list[float]:
    """Milliseconds until one Service more is answered for, from the difference on."""
    took = []
    held = await server.records.read()
    more = Answers(records=answers.records | {Record("late.big.svc.cluster.local.", "A", "10.96.200.1")})
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await server.records.apply(plan(held, more))
        took.append((time.perf_counter() - began) * 1000)
        await server.records.apply(plan(await server.records.read(), answers))
    return took


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


async def measured(folder: Path) -> dict[str, Any]:
    settings = DnsSettings(
        addresses=(ADDRESS,), domain="cluster.local.", reverse=("96.10.in-addr.arpa.",), clients=(f"{ADDRESS}/32",)
    )
    cpus = sorted(os.sched_getaffinity(0))
    server = Unbound(NodeDir(folder))
    began = time.perf_counter()
    await server.start(settings)
    await ready(server)
    empty = {"start_ms": (time.perf_counter() - began) * 1000, "resident_mb": resident_mb(server.pid)}
    await server.stop()
    server.answers = records()
    began = time.perf_counter()
    await server.start(settings)
    await ready(server)
    full = {"start_ms": (time.perf_counter() - began) * 1000, "resident_mb": resident_mb(server.pid)}
    try:
        os.sched_setaffinity(server.pid, {cpus[0]})
        added = await changes(server, server.answers)
        rates: dict[str, list[dict[str, float]]] = {}
        for what, lines in QUESTIONS.items():
            file = folder / "questions"
            await asyncio.to_thread(file.write_text, "\n".join(lines) + "\n")
            mode = "tcp" if "by TCP" in what else "udp"
            rates[what] = [await asyncio.to_thread(throughput, file, cpus[-1], mode) for _ in range(ROUNDS)]
    finally:
        await server.stop()
    return {"empty": empty, "services_10000": full, "change_of_one_service_ms": added, "rates": rates}


def main() -> None:
    libc = __import__("ctypes").CDLL(None)
    assert libc.unshare(0x40000000) == 0
    for command in ("ip link set lo up", f"ip address add {ADDRESS}/32 dev lo"):
        subprocess.run(command.split(), check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        found = asyncio.run(measured(folder))
    machine = f"{platform.machine()}, {os.cpu_count()} CPUs, kernel {platform.release()}"
    what = f"DNS server with {SERVICES:,} Services, on one core"
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "dns.json").write_text(json.dumps({"what": what, "machine": machine, **found}, indent=1) + "\n")
    lines = ["| question | answers a second, median | min | max | mean ms | lost |", "|---|---|---|---|---|---|"]
    for question, rounds in found["rates"].items():
        rates = [r["answers_per_second"] for r in rounds]
        delay, lost = statistics.median(r["mean_ms"] for r in rounds), sum(r["lost"] for r in rounds)
        spread = f"{statistics.median(rates):.0f} | {min(rates):.0f} | {max(rates):.0f}"
        lines.append(f"| {question} | {spread} | {delay:.2f} | {lost} |")
    lines += [
        f"\n{key}: start {found[key]['start_ms']:.0f} ms, resident {found[key]['resident_mb']:.1f} MB"
        for key in ("empty", "services_10000")
    ]
    added = statistics.median(found["change_of_one_service_ms"])
    lines.append(f"\none Service more: {added:.1f} ms")
    (RESULTS / "dns.md").write_text(f"# {what}\n\n{machine}\n\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
