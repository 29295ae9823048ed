"""A node of which the plugin is executed and the agent a process; and packets between its pods."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tandem_cni.build import build

from netns.podlab import Lab, ip, lab, unmount_all
from tandem.base.netns import in_netns
from unit.tandem_cni.courier import Done, run

AGENT = Path(__file__).with_name("cni_agent.py")


class Node:
    """A node's namespace, the built plugin, and an agent that can be killed and started again."""

    def __init__(self, directory: Path, spaces: Lab) -> None:
        self.directory = directory
        self.spaces = spaces
        self.netns = spaces.add("node")
        self.binary = directory / "cni" / "bin" / "tandem-cni"
        build(self.binary, sys.executable)
        self.agent: subprocess.Popen[bytes] | None = None

    def start(self, stall: str = "", six: str = "") -> None:
        (self.directory / "cni.sock").unlink(missing_ok=True)
        command = [sys.executable, str(AGENT), str(self.directory), str(self.netns), stall, six]
        self.agent = subprocess.Popen(command, env={"PYTHONPATH": "src:cni/src", "PATH": os.environ["PATH"]})
        wait_for(self.directory / "cni.sock")

    def kill(self) -> None:
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()
            self.agent = None

    def cni(self, verb: str, container: str, netns: str, **config: Any) -> Done:
        return run(self.binary, *self.words(verb, container, netns, **config))

    def words(self, verb: str, container: str, netns: str, **config: Any) -> tuple[dict[str, str], dict[str, Any]]:
        env = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.binary.parent),
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={container};K8S_POD_UID=u-{container}",
        }
        network = {"cniVersion": "1.1.0", "name": "tandem", "type": "tandem-cni"}
        return env, network | {"socket": str(self.directory / "cni.sock")} | config

    def add(self, container: str) -> tuple[str, str, dict[str, Any]]:
        """A pod: its namespace, its address, and the result of ADD."""
        netns = self.spaces.add(container)
        done = self.cni("ADD", container, netns)
        assert done.status == 0, done.out + done.err
        result: dict[str, Any] = done.answer
        return netns, result["ips"][0]["address"].removesuffix("/32"), result

    def traces(self) -> list[str]:
        """What the node still has of pods."""
        links = [line for line in ip(self.netns, "-o", "link").splitlines() if ": td" in line]
        every = (ip(self.netns, family, "route").splitlines() for family in ("-4", "-6"))
        routes = [line for lines in every for line in lines if "dev td" in line]
        return links + routes + [p.name for p in (self.directory / "netns").glob("*")]


@contextmanager
def running(directory: Path, six: str = "") -> Iterator[Node]:
    """A node whose agent runs, until the end of the block; `six`: with this prefix of IPv6."""
    with lab() as spaces:
        made = Node(directory, spaces)
        try:
            made.start(six=six)
            yield made
        finally:
            made.kill()
            unmount_all(directory / "netns")


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


@contextmanager
def answering(netns: str, body: bytes = b"") -> Iterator[list[str]]:
    """A TCP server on port 80 of the namespace for one client of either family, which gets `body`; who connected."""
    clients: list[str] = []
    server = in_netns(netns, lambda: socket.create_server(("", 80), family=socket.AF_INET6, dualstack_ipv6=True))
    server.settimeout(20)

    def serve() -> None:
        connection, (client, *_) = server.accept()
        with connection:
            clients.append(client.removeprefix("::ffff:"))
            connection.sendall(body)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield clients
    finally:
        thread.join()
        server.close()


def dial(netns: str, address: str, port: int = 80) -> None:
    in_netns(netns, lambda: socket.create_connection((address, port), timeout=20).close())
