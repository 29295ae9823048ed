"""The six steps of the demo's story (`examples/shop`, `examples/story`)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tandem.apps.demo.teller import Ran, Teller
from tandem.base.paths import RunDir
from tandem.runtime.kernelstate import Picture, difference, picture

EXAMPLES: Final = Path("examples")
STORY: Final = EXAMPLES / "story"
TIMEOUT_OF_CURL: Final = 28
SIGMAS: Final = 4.0
TANDEM: Final = (sys.executable, "-m", "tandem.apps.cli.main")
LOAD: Final = ("/usr/bin/python3", "/app/load.py")


def start(teller: Teller) -> bool:
    """Both layers and twelve pods with one command; False if there is nothing to go on with."""
    teller.step(1, "One command: the CNI first, then the mesh, then twelve pods in two namespaces")
    up = teller.tandem("up", "-f", str(EXAMPLES / "shop"), "--detach", "-o", "json", timeout=180)
    ready = up.json()
    teller.expect(
        "everything is ready and programmed",
        held=up.status == 0,
        seen=f"{ready.get('seconds', '?')} s {up.err.strip()}",
    )
    if up.status != 0:
        teller.quote("\n".join(ready.get("reasons", [])))
        return False
    status = teller.tandem("status", "-o", "json", show=False).json()
    rows = [
        (f"{p['namespace']}/{p['name']}", p["address"], "mesh" if p["mesh"] else "plain", p["identity"] or "-")
        for p in status["pods"]
    ]
    teller.table(("POD", "ADDRESS", "", "IDENTITY"), rows)
    spaces = {p["namespace"] for p in status["pods"]}
    enough = len(rows) >= 8 and len(spaces) >= 2 and all(p["ready"] for p in status["pods"])
    teller.expect(f"{len(rows)} pods in {len(spaces)} namespaces are ready", held=enough)
    whole = teller.inside("client", "curl", "-s", "-m", "5", "http://frontend/call")
    teller.expect("a request through three services comes back", held='"frontend"' in whole.out, seen=whole.out.strip())
    grpc = teller.inside("client", "/usr/bin/python3", "/app/grpc_client.py", "inventory:50051", "lamp")
    teller.expect("gRPC works", held=grpc.status == 0, seen=grpc.out.strip() or grpc.err.strip()[-200:])
    plain = teller.inside("client", "bash", "-c", "exec 3<>/dev/tcp/db/5432; echo GET lamp >&3; head -2 <&3")
    teller.expect(
        "a TCP server that speaks first works", held="220 " in plain.out, seen=" | ".join(plain.out.split("\n"))
    )
    return True


def subsets(teller: Teller) -> None:
    """The mission's VirtualService as it stands."""
    teller.step(2, "The VirtualService my-service, as it stands: /v1 to subset v1, all else to subset v2")
    early = _apply(teller, "virtualservice-my-service.yaml")
    teller.quote(early.err)
    teller.expect("before its DestinationRule exists, the undefined subsets are reported", held="subset" in early.err)
    _apply(teller, "destinationrule-my-service.yaml")
    for path, version in (("/v1", "v1"), ("/other", "v2")):
        tally = _load(teller, f"http://my-service{path}", 100)
        teller.expect(
            f"100 requests to {path} all reach {version}", held=tally == {f"200 {version}": 100}, seen=str(tally)
        )


def canary(teller: Teller) -> None:
    """Weights, asked and observed."""
    teller.step(3, "A canary: 90/10, then 50/50, 1,000 requests each")
    rows = []
    for first, second in ((90, 10), (50, 50)):
        _apply(teller, f"canary-{first}-{second}.yaml")
        tally = _load(teller, "http://my-service/", 1000)
        seen = [tally.get(f"200 {v}", 0) for v in ("v1", "v2")]
        spread = SIGMAS * (1000 * first / 100 * second / 100) ** 0.5
        near = sum(seen) == 1000 and abs(seen[0] - 10 * first) <= spread
        rows.append((f"{first}/{second}", f"{seen[0] / 10:.1f}/{seen[1] / 10:.1f}"))
        teller.expect(f"the split is near {first}/{second}", held=near, seen=f"±{spread / 10:.1f} allowed, {tally}")
    teller.table(("ASKED v1/v2", "OBSERVED v1/v2"), rows)


def encryption(teller: Teller) -> None:
    """Bytes on the wire, and STRICT."""
    teller.step(4, "mTLS: what is on the wire, and who is refused")
    capture = _capture(teller, "http://orders/secret-word")
    teller.expect(
        "the bytes between the pods are TLS", held=b"\x17\x03\x03" in capture, seen=f"{len(capture)} bytes captured"
    )
    teller.expect("the request is not in them", held=bool(capture) and b"secret-word" not in capture)
    before = teller.inside("outsider", "curl", "-s", "-m", "5", "http://orders.shop/", namespace="legacy")
    teller.expect("a pod outside the mesh may speak plain text to orders (PERMISSIVE)", held=before.status == 0)
    _apply(teller, "peerauthentication-strict-orders.yaml")
    after = teller.inside("outsider", "curl", "-s", "-m", "5", "http://orders.shop/", namespace="legacy")
    teller.expect(
        "with STRICT it is refused", held=after.status != 0 and not after.out, seen=f"curl: status {after.status}"
    )
    meshed = teller.inside("client", "curl", "-s", "-m", "5", "http://orders/")
    teller.expect("a pod in the mesh is not", held='"orders"' in meshed.out)
    _denied(teller, "PeerAuthentication", "orders-strict")


def lockdown(teller: Teller) -> None:
    """The mission's NetworkPolicy, which allows everything, and its cure."""
    teller.step(5, "The NetworkPolicy deny-all, as it stands, and cured")
    first = _apply(teller, "networkpolicy-deny-all.yaml")
    teller.quote(first.err)
    teller.expect("applying it warns that an empty `from` is every source", held="every source" in first.err)
    still = teller.inside("client", "curl", "-s", "-m", "5", "http://frontend/")
    teller.expect("as Kubernetes has it, the frontend is still reachable", held='"frontend"' in still.out)
    _apply(teller, "networkpolicy-deny-all-cured.yaml")
    told = teller.tandem("explain", "shop/client", "shop/svc/frontend:80", "-o", "json")
    explained = told.json()
    by = {o["name"] for o in explained.get("decided_by", [])}
    teller.expect(
        "explain says no, and why, before any request is sent",
        held=told.status == 1 and by == {"deny-all"},
        seen=explained.get("summary", told.err),
    )
    blocked = teller.inside("client", "curl", "-s", "-m", "3", "http://frontend/")
    timed_out = blocked.status == TIMEOUT_OF_CURL or "503" in blocked.out or "upstream" in blocked.out
    teller.expect(
        "requests to the frontend time out", held=timed_out, seen=f"curl: status {blocked.status} {blocked.out}"
    )
    _denied(teller, "NetworkPolicy", "deny-all")
    teller.tandem("delete", "-n", "shop", "networkpolicy", "deny-all")


def replacement(teller: Teller) -> None:
    """A pod goes while requests come."""
    teller.step(6, "A pod is deleted and replaced under load, without a failed request")
    victim = teller.tandem("get", "pods", "-n", "shop", "-l", "app=orders", "-o", "name", show=False).out.split()[0]
    load = subprocess.Popen(
        [*TANDEM, "exec", "-n", "shop", "client", "--", *LOAD, "http://orders/", "1000000", "6"],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(1.5)
    gone = teller.tandem("delete", "-n", "shop", "pod", victim.rpartition("/")[2], "--wait")
    out, _ = load.communicate(timeout=60)
    tally = Ran(status=0, out=out, err="").json()
    good = tally.get("200 orders", 0)
    teller.expect("the pod was replaced", held=gone.status == 0)
    teller.expect("no request failed", held=good > 0 and set(tally) == {"200 orders"}, seen=str(tally))


def clean_up(teller: Teller, before: Picture, run_dir: RunDir) -> None:
    """`tandem down`, and a comparison of the kernel before and after."""
    down = teller.tandem("down")
    teller.expect("tandem down ends well", held=down.status == 0, seen=down.err.strip())
    after = picture(run_dir.root)
    left = difference(before, after)
    teller.table(("STATE", "BEFORE", "AFTER"), [(t, str(len(before[t])), str(len(after[t]))) for t in sorted(before)])
    teller.expect("the kernel and the file system are as they were before", held=not left, seen="; ".join(left[:5]))


def _apply(teller: Teller, name: str) -> Ran:
    """Apply a manifest of the story and wait until it is in force."""
    ran = teller.tandem("apply", "-n", "shop", "-f", str(STORY / name))
    if ran.status != 0:
        teller.expect(f"{name} is accepted", held=False, seen=ran.err.strip())
    return ran


def _load(teller: Teller, url: str, count: int) -> Mapping[str, int]:
    ran = teller.inside("client", *LOAD, url, str(count))
    tally: dict[str, int] = ran.json()
    return tally or {f"load failed: {ran.err.strip()[-200:]}": 1}


def _denied(teller: Teller, kind: str, name: str) -> None:
    """`tandem flows --denied` names the rule (reports arrive within a second)."""
    deadline = time.monotonic() + 5
    found: list[Any] = []
    while not found and time.monotonic() < deadline:
        flows = teller.tandem("flows", "--denied", "-o", "json", show=False).json().get("flows", [])
        found = [f for f in flows if any(r["kind"] == kind and r["name"] == name for r in f.get("rules", []))]
        time.sleep(0.2)
    shown = teller.tandem("flows", "--denied", "--last", "3")
    teller.quote(shown.out)
    teller.expect(
        f"flows --denied names {kind} {name}", held=bool(found), seen=found[-1].get("reason", "") if found else ""
    )


def _capture(teller: Teller, url: str) -> bytes:
    """What passes the client's interface while it sends a request."""
    listen = ["tcpdump", "-i", "eth0", "-U", "-w", "-", "tcp"]
    tap = subprocess.Popen(
        [*TANDEM, "exec", "-n", "shop", "client", "--", "timeout", "4", *listen],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(1.5)
    teller.inside("client", "curl", "-s", "-m", "5", url)
    out, _ = tap.communicate(timeout=30)
    return out
