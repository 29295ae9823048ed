"""A node with Services on the real kernel: two serving pods and a client on it, a neighbour, a pod of another node."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from builders import endpoint_slice, pod, service, world
from netns.pods import Lab, entered, ip
from nodeviews import node as node_of
from nodeviews import view_of
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.node import NodeView
from tandem.model import core
from tandem.model.meta import Object
from tandem.runtime.vanished import forget_vanished

A, B = pod("a", ip="10.244.0.2"), pod("b", ip="10.244.0.3")
CLIENT = pod("client", ip="10.244.0.4")
FAR = pod("far", ip="10.245.0.2", node="node-2")
NODE, OUTSIDE, NEIGHBOUR = "192.168.0.1", "192.168.0.7", "192.168.0.2"
SERVE = """
import socket, selectors
chosen = selectors.DefaultSelector()
s = socket.create_server(("", 8080)); chosen.register(s, 1, "tcp")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 5353)); chosen.register(u, 1, "udp")
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data == "udp":
            data, who = u.recvfrom(99); p = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); p.connect(who)
            u.sendto(b"%s %s" % (p.getsockname()[0].encode(), who[0].encode()), who)
        else:
            c, who = s.accept(); c.sendall(b"%s %s" % (c.getsockname()[0].encode(), who[0].encode())); c.close()
"""
ASK = """
import socket, json, sys
host, port, count = json.loads(sys.stdin.readline())
for _ in range(count):
    try:
        with socket.create_connection((host, port), 1.0) as s: print(s.recv(99).decode())
    except TimeoutError: print("timeout")
    except ConnectionRefusedError: print("refused")
"""


class ServiceLab(Lab):
    """Two serving pods and a client on the node; outside it a client, and another node with one pod."""

    def __init__(self) -> None:
        super().__init__()
        self.nft = Libnftables(self.path)
        self.view: NodeView | None = None

    def start(self) -> None:
        super().start()
        for each in (A, B, CLIENT):
            self.attach(each)
        self._netns(self.outside)
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.outside, netns=self.node)
        for netns, address in ((self.node, NODE), (self.outside, OUTSIDE)):
            ip("addr", "add", f"{address}/24", "dev", "eth0", netns=netns)
            ip("link", "set", "eth0", "up", netns=netns)
            ip("link", "set", "lo", "up", netns=netns)
        # The other node is the same neighbour under another address, and its pod lives on its loopback.
        ip("addr", "add", f"{NEIGHBOUR}/24", "dev", "eth0", netns=self.outside)
        ip("addr", "add", "10.245.0.2/32", "dev", "lo", netns=self.outside)
        ip("route", "add", "10.245.0.0/24", "via", NEIGHBOUR, netns=self.node)
        ip("route", "add", "10.244.0.0/16", "via", NODE, netns=self.outside)

    @property
    def outside(self) -> str:
        return f"{self.node}-out"

    def serve(self, *pods: core.Pod, **spec: Any) -> None:
        ports = [
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
            {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP", "nodePort": 30053},
        ]
        web = service("web", ip="10.96.0.20", type="NodePort", ports=ports, **spec)
        self.show(web, endpoint_slice(web, list(pods)))

    def show(self, *objects: Object) -> None:
        """Put these Services, slices, policies and Nodes in force beside the pods."""
        before = self.view
        made = view_of(world(A, B, CLIENT, FAR, *objects))
        self.view = msgspec.structs.replace(made, nodes={"node-2": node_of("node-2", "10.245.0.0/24")})
        self.nft.apply(plan(self.nft.read(), compile_nft(self.view)))
        if before is not None:
            with entered(self.path):
                forget_vanished(before, self.view)

    def ask(self, netns: str, host: str, port: int, count: int = 1) -> list[str]:
        with self.python(netns, ASK) as process:
            out, _ = process.communicate(json.dumps([host, port, count]) + "\n")
        return out.split("\n")[:-1]


@contextlib.contextmanager
def serving() -> Iterator[ServiceLab]:
    """The lab, with servers in the pods `a`, `b` and `far`."""
    lab = ServiceLab()
    try:
        lab.start()
        with (
            lab.python(lab.netns_of(A), SERVE) as a,
            lab.python(lab.netns_of(B), SERVE) as b,
            lab.python(lab.outside, SERVE) as far,
        ):
            for server in (a, b, far):
                assert server.stdout
                assert server.stdout.readline() == "ready\n"
            yield lab
    finally:
        lab.stop()
