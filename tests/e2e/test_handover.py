"""Another Envoy is installed while requests go on: it takes over, and nobody notices.

The other build is a copy of the same one that lies in its place: a file that differs in nothing but its dates, which is
all that an agent can see of a build before it has started it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.lab import Lab, lab, until
from e2e.load import load, rpc, shop
from e2e.objects import Raw, deployment, pod, service, web
from tandem.drivers.envoy.process import find_envoy

pytestmark = pytest.mark.root

ECHO = """
import socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
Server(("0.0.0.0", 8080), Handler).serve_forever()
"""
TALK = """
import json, socket, sys, threading
said, stop = 0, threading.Event()
with socket.create_connection(("echo", 80), timeout=20) as server:
    stream = server.makefile("rwb")
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    while not stop.wait(0.02):
        stream.write(b"still there?\\n")
        stream.flush()
        assert stream.readline() == b"still there?\\n", f"ended after {said}"
        said += 1
        if said == 1:
            print("begun", flush=True)
print(json.dumps(said))
"""
"""One connection of bytes, until its input ends; how often it was answered."""


def echo() -> Raw:
    made = web("echo")
    made["command"] = ["/usr/bin/python3", "-c", ECHO]
    return made


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", status=0)
        apps = (deployment("shop", name, body, replicas=2) for name, body in (("web", web("one")), ("rpc", rpc("one"))))
        made.apply(*shop(*apps), service("shop", "echo", tcp=True), deployment("shop", "echo", echo()))
        yield made


def envoys(world: Lab) -> list[str]:
    """The generation of each that runs, `NODE N`."""
    found = []
    for command in world.processes().values():
        words = command.split(" ")
        if Path(words[0]).name == "envoy":
            node = Path(words[words.index("--config-path") + 1]).parent.name
            found.append(f"{node} {words[words.index('--restart-epoch') + 1]}")
    return sorted(found)


def install_another(world: Lab) -> None:
    world.run("cp", str(find_envoy()), "/tmp/envoy", status=0)
    world.run("mount", "--bind", "/tmp/envoy", str(find_envoy()), status=0)


def test_without_anything_new_the_proxies_go_on(world: Lab) -> None:
    before, pids = envoys(world), set(world.processes())
    with load(world) as requests:
        told = world.tandem("restart", "-o", "json", status=0).json()["restarted"]
    assert [(one["role"], one["node"]) for one in told] == [
        ("control", ""),
        ("agent", "node-1"),
        ("agent", "node-2"),
        ("runtime", "node-1"),
        ("runtime", "node-2"),
    ]
    assert not pids & {one["pid"] for one in told}
    assert {one["pid"] for one in told} <= set(world.processes())
    assert all(one["envoy"] == one["envoy_before"] for one in told)
    assert (envoys(world), requests.failures) == (before, [])


def test_another_build_takes_over_without_a_failed_request(world: Lab) -> None:
    before = envoys(world)
    talk = world.begin("shop", "client", "/usr/bin/python3", "-u", "-c", TALK, stdin=True)
    assert talk.stdout is not None
    assert talk.stdout.readline() == "begun\n"
    with load(world) as requests:
        install_another(world)
        told = world.tandem("restart", status=0).out
        assert len([line for line in told.splitlines() if "takes over from" in line]) == 2
        assert envoys(world) == sorted([*before, "node-1 1", "node-2 1"])
        world.settled()
        # After the takeover: a pod that only the new one has ever heard of, reached by way of it.
        world.apply(
            pod(
                "shop",
                "late",
                web("late"),
            ),
            service("shop", "late"),
        )
        until(lambda: world.curl("shop", "client", "http://late/").out[-3:], lambda code: code == "200", world.logs)
    assert requests.failures == []
    assert requests.answers["one"] > 40
    out, err = talk.communicate(timeout=30)
    assert json.loads(out) > 10, err


def test_what_lingers_ends_with_the_rest(world: Lab) -> None:
    memory = world.root / "dev/shm"
    assert len(list(memory.glob("envoy_*"))) == 2
    world.tandem("down", status=0)
    assert envoys(world) == []
    assert list(memory.glob("envoy_*")) == []
