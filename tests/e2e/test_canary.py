"""Canaries from end to end: real versions of an application, real requests, figures of the real Envoy, two nodes."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import eq
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, deployment, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

POOL = "198.18.116.192/28"
PROMOTED = {"Accepted": "True", "Programmed": "True", "Progressing": "False", "Promoted": "True"}
"""Of the network of the nodes, which the machine itself reaches."""

ASK = """
import http.client, json, sys, threading, time
url, headers, pause = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
def ask():
    server = http.client.HTTPConnection(url, timeout=10)
    while True:
        try:
            server.request("GET", "/", headers=headers)
            answer = server.getresponse()
            body = answer.read()
            name = json.loads(body)["name"] if body.startswith(b"{") else "-"
            sys.stdout.write(f"{answer.status} {name}\\n")  # at once: other threads write too
        except (OSError, http.client.HTTPException):
            server.close()
        time.sleep(pause)
for _ in range(4):
    threading.Thread(target=ask, daemon=True).start()
sys.stdin.read()
"""
"""Keeps asking over four connections until its input ends; a line for each answer."""
BEHAVING = '''
"""Answers with its name: after DELAY seconds, with status CODE."""
import os, time, http.server, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        time.sleep(float(os.environ["DELAY"]))
        body = b'{"name": "%s"}' % os.environ["NAME"].encode()
        self.send_response(int(os.environ["CODE"]))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

Server(("0.0.0.0", 8080), Handler).serve_forever(poll_interval=0.05)
'''


def app(name: str, *, code: int = 200, delay: float = 0.0) -> Raw:
    made = web(name)
    made["command"] = ["/usr/bin/python3", "/behaving/app.py"]
    made["env"] += [{"name": "CODE", "value": str(code)}, {"name": "DELAY", "value": str(delay)}]
    made["volumeMounts"].append({"name": "behaving", "mountPath": "/behaving"})
    return made


def version(name: str, body: Raw) -> list[Raw]:
    """A Deployment and the Service of its name."""
    made = deployment("shop", name, body)
    made["spec"]["template"]["spec"]["volumes"].append({"name": "behaving", "configMap": {"name": "behaving"}})
    return [made, service("shop", name)]


def canary(name: str, **spec: Any) -> Raw:
    analysis = {"interval": "2s", "minRequests": 10, "successRate": {"min": 95}}
    return {
        "apiVersion": "tandem.io/v1",
        "kind": "Canary",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "service": name,
            "stable": {"service": f"{name}-v1"},
            "canary": {"service": f"{name}-v2"},
            "steps": [{"weight": 20}, {"weight": 60}],
            "analysis": analysis,
            "progressDeadline": "5m",
            **spec,
        },
    }


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """Clients on both nodes."""
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", "--lb-pool", POOL, status=0)
        data = {"app.py": BEHAVING}
        meta = {"name": "behaving", "namespace": "shop"}
        made.apply(
            *namespace("shop", mesh=True),
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data},
            pod("shop", "client", idle(), nodeName="node-1"),
            pod("shop", "other", idle(), nodeName="node-2"),
        )
        yield made


def made(world: Lab, name: str, *, code: int = 200, delay: float = 0.0) -> None:
    """A Service with a good stable version, and a new one that behaves so."""
    front = service("shop", name, app=f"{name}-v1")
    world.apply(front, *version(f"{name}-v1", app("one")), *version(f"{name}-v2", app("two", code=code, delay=delay)))


class Asking:
    """Requests that go on from both nodes."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def answers(self, number: int) -> Counter[str]:
        """The next so many, of all clients together."""
        found: Counter[str] = Counter()
        for i in range(number):
            stream = self._processes[i % len(self._processes)].stdout
            assert stream is not None
            found[stream.readline().strip()] += 1
        return found


@contextmanager
def asking(
    world: Lab, name: str, header: tuple[str, str] = ("x-none", "-"), clients: tuple[str, ...] = ("client", "other")
) -> Iterator[Asking]:
    """Requests to a Service, each with this header."""
    program = ["/usr/bin/python3", "-u", "-c", ASK, name, json.dumps(dict([header])), "0.02"]
    with kept(*(world.begin("shop", client, *program, stdin=True) for client in clients)) as requests:
        yield requests


@contextmanager
def from_outside(world: Lab, address: str) -> Iterator[Asking]:
    """Requests of the machine that the nodes run on, by a gateway."""
    with kept(world.start("/usr/bin/python3", "-u", "-c", ASK, address, "{}", "0.02")) as requests:
        yield requests


@contextmanager
def kept(*processes: subprocess.Popen[str]) -> Iterator[Asking]:
    """Until they are no longer needed."""
    try:
        yield Asking(list(processes))
    finally:
        for process in processes:
            process.communicate(timeout=30)


def status(world: Lab, name: str) -> Any:
    return world.tandem("canary", "status", name, "-n", "shop", "-o", "json", status=0).json()


def reaches(world: Lab, name: str, **wanted: Any) -> Any:
    """The status, once it is so."""
    return until(lambda: status(world, name), lambda s: wanted.items() <= s.items(), world.logs)


def told(world: Lab, name: str) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status(world, name)["conditions"]}


def judged_again(world: Lab, name: str) -> Any:
    """The status after the next judgement."""
    before = status(world, name)["judged"]
    return until(partial(status, world, name), lambda s: s["judged"] != before, world.logs)


def test_a_good_version_is_promoted_step_by_step(world: Lab) -> None:
    made(world, "good")
    with asking(world, "good") as requests:
        world.apply(canary("good"))
        found = reaches(world, "good", phase="Promoted")
        assert found["weight"] == 100
        assert [e["weight"] for e in found["history"]] == [0, 20, 60, 100]
        assert min(found["canary"]["requests"], found["stable"]["requests"]) >= 10
        until(lambda: requests.answers(100), lambda answers: answers == {"200 two": 100})
    # Conditions are said of the phase, by another hand and after it.
    until(lambda: told(world, "good"), lambda seen: seen == PROMOTED, world.logs)


def test_a_version_that_fails_is_rolled_back(world: Lab) -> None:
    made(world, "bad", code=500)
    with asking(world, "bad") as requests:
        world.apply(canary("bad"))
        found = reaches(world, "bad", phase="RolledBack")
        assert (found["weight"], found["reason"]) == (0, "SuccessRateTooLow")
        assert found["canary"]["successRate"] == 0
        assert found["stable"]["successRate"] == 100
        until(lambda: requests.answers(100), lambda answers: answers == {"200 one": 100})


def test_a_version_that_is_slow_is_rolled_back_beside_a_stable_one_that_is_not(world: Lab) -> None:
    made(world, "slow", delay=0.4)
    latency = {"quantile": 0.9, "maxIncrease": 300}
    analysis = {"interval": "2s", "minRequests": 8, "latency": latency}
    with asking(world, "slow"):
        world.apply(canary("slow", analysis=analysis, steps=[{"weight": 30}]))
        found = reaches(world, "slow", phase="RolledBack")
    assert (found["weight"], found["reason"]) == (0, "LatencyIncreased")
    assert found["canary"]["latencyMs"] >= 400 > found["stable"]["latencyMs"] * 4


def test_nothing_is_promoted_without_requests(world: Lab) -> None:
    made(world, "quiet")
    world.apply(canary("quiet", steps=[{"weight": 50}], progressDeadline="6s"))
    assert reaches(world, "quiet", phase="Progressing")["weight"] == 50
    found = reaches(world, "quiet", phase="RolledBack")
    assert found["reason"] == "ProgressDeadlineExceeded"
    assert "fewer than 10 requests" in found["message"]


def test_by_hand_it_is_paused_goes_on_and_is_promoted_or_aborted(world: Lab) -> None:
    def canary_is(action: str) -> Any:
        return world.tandem("canary", action, "hand", "-n", "shop", "-o", "json", status=0).json()

    made(world, "hand")
    with asking(world, "hand"):
        world.apply(canary("hand", steps=[{"weight": 20, "manual": True}, {"weight": 50, "pause": "1h"}]))
        reaches(world, "hand", phase="Paused", weight=20, reason="ManualStep")
        assert canary_is("resume")["phase"] == "Progressing"
        reaches(world, "hand", weight=50)
        assert canary_is("pause")["reason"] == "PausedByHand"
        judged = status(world, "hand")["judged"]
        assert until(lambda: status(world, "hand"), lambda s: s["judged"] != judged)["weight"] == 50
        found = canary_is("abort")
        assert (found["phase"], found["weight"], found["reason"]) == ("RolledBack", 0, "Aborted")
        assert canary_is("restart")["phase"] in {"Waiting", "Progressing"}
        reaches(world, "hand", weight=20)
        note = ("annotate", "canary", "hand", "-n", "shop", "tandem.io/canary=promote")
        world.run("kubectl", "--kubeconfig=/run/tandem/kubeconfig", *note, status=0)
        assert reaches(world, "hand", phase="Promoted")["reason"] == "PromotedByHand"
    late = world.tandem("canary", "abort", "hand", "-n", "shop", status=1)
    assert late.err == "error: Canary shop/hand: nothing to abort: the rollout has ended, Promoted\n"


def test_only_requests_with_the_header_or_the_cookie_are_divided(world: Lab) -> None:
    made(world, "ab")
    match = [
        {"headers": [{"name": "X-Group", "value": "beta"}]},
        {"cookies": [{"name": "group", "value": "beta"}]},
    ]
    world.apply(canary("ab", match=match, steps=[{"weight": 100, "manual": True}]))
    reaches(world, "ab", weight=100)
    until(world.settles, bool)
    for header, value, app_ in (
        ("x-group", "beta", "two"),
        ("cookie", "a=1; group=beta; z=2", "two"),
        ("x-group", "alpha", "one"),
        ("cookie", "a=1; xgroup=beta", "one"),
        ("cookie", "group=alpha", "one"),
    ):
        with asking(world, "ab", (header, value)) as requests:
            until(partial(requests.answers, 40), partial(eq, {f"200 {app_}": 40}))
    beta = ("x-group", "beta")
    with asking(world, "ab", beta, clients=("client",)), asking(world, "ab", clients=("other",)):
        reaches(world, "ab", phase="Paused", reason="ManualStep")
        until(lambda: status(world, "ab")["canary"]["requests"], lambda n: n >= 10)


def test_what_comes_in_by_a_gateway_is_divided_and_judged(world: Lab) -> None:
    """No pod asks: what is known of the versions is what the gateway saw of them."""
    made(world, "front", code=500)
    api = "gateway.networking.k8s.io/v1"
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    rules = [{"backendRefs": [{"name": "front", "port": 80}]}]
    world.apply(
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": "shop"},
            "spec": {"gatewayClassName": "tandem", "listeners": listeners},
        },
        {
            "apiVersion": api,
            "kind": "HTTPRoute",
            "metadata": {"name": "front", "namespace": "shop"},
            "spec": {"parentRefs": [{"name": "edge"}], "rules": rules},
        },
    )
    found = until(lambda: world.get("shop", "gateway", "edge").get("status", {}).get("addresses"), bool, world.logs)
    with from_outside(world, found[0]["value"]) as requests:
        until(lambda: requests.answers(40), lambda answers: answers == {"200 one": 40}, world.logs)
        world.apply(canary("front"))
        status_ = reaches(world, "front", phase="RolledBack")
        assert (status_["reason"], status_["canary"]["successRate"]) == ("SuccessRateTooLow", 0)
        until(lambda: requests.answers(100), lambda answers: answers == {"200 one": 100})
        world.apply(*version("front-v3", app("three")))
        world.apply(canary("front", canary={"service": "front-v3"}, steps=[{"weight": 40}]))
        status_ = reaches(world, "front", phase="Promoted")
        assert min(status_["canary"]["requests"], status_["stable"]["requests"]) >= 10
        until(lambda: requests.answers(100), lambda answers: answers == {"200 three": 100})


def test_a_rollout_goes_on_where_it_was_when_control_begins_anew(world: Lab) -> None:
    made(world, "kept")
    with asking(world, "kept") as requests:
        world.apply(canary("kept", steps=[{"weight": 20, "manual": True}, {"weight": 60}]))
        before = reaches(world, "kept", phase="Paused", weight=20)["history"]
        old = world.pid("control")
        world.kill("control")
        while_away = requests.answers(200)
        assert while_away.keys() == {"200 one", "200 two"}
        assert while_away["200 two"] < 100
        world.back("control", old)
        world.settled()
        found = status(world, "kept")
        assert (found["phase"], found["weight"], found["history"]) == ("Paused", 20, before)
        world.tandem("canary", "resume", "kept", "-n", "shop", status=0)
        found = reaches(world, "kept", phase="Promoted")
    assert [e["weight"] for e in found["history"]] == [0, 20, 20, 20, 60, 100]


def test_a_node_that_is_silent_holds_a_rollout_until_it_is_heard_again(world: Lab) -> None:
    """Its Envoy goes on sending requests: nobody else knows how those went."""
    made(world, "silent")
    (agent,) = (
        pid for pid, line in world.processes().items() if "tandem.apps.agent" in line and "node-2" in line.split()
    )
    with asking(world, "silent"):
        world.apply(canary("silent", steps=[{"weight": 30, "manual": True}]))
        reaches(world, "silent", phase="Paused", weight=30)
        world.run("kill", "-STOP", str(agent), status=0)
        try:
            world.tandem("canary", "resume", "silent", "-n", "shop", status=0)
            reaches(world, "silent", reason="NodesSilent")
            found = judged_again(world, "silent")
            assert (found["phase"], found["weight"]) == ("Progressing", 30)
            assert "node-2" in found["message"]
        finally:
            world.run("kill", "-CONT", str(agent), status=0)
        reaches(world, "silent", phase="Promoted")


def test_the_example_of_the_page_is_promoted_in_the_shop() -> None:
    with lab() as shop:
        shop.tandem("up", "--detach", "-f", "examples/shop", status=0)
        shop.settled()
        shop.tandem("apply", "-n", "shop", "-f", "examples/story/destinationrule-my-service.yaml", status=0)
        shop.tandem("apply", "-n", "shop", "-f", "examples/delivery/canary-my-service.yaml", status=0)

        def look() -> Any:
            shop.inside("shop", "client", "/usr/bin/python3", "/app/load.py", "http://my-service/", "300")
            return status(shop, "my-service")

        found = until(look, lambda s: s["phase"] in {"Promoted", "RolledBack"}, shop.logs)
        assert found["phase"] == "Promoted", found
        shop.tandem("apply", "-n", "shop", "-f", "examples/delivery/ab-my-service.yaml", "--wait", "20", status=0)
        reaches(shop, "my-service", weight=100)
        shop.settled()
        for options, wanted in ((("-H", "x-group: beta"), "v2"), (("-H", "cookie: group=beta"), "v2"), ((), "v1")):
            answer = shop.curl("shop", "client", "http://my-service/", *options).out
            assert f'"version": "{wanted}"' in answer, answer
