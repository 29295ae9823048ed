"""A node with Services on the real kernel: two serving pods and a client on it, a neighbour, a pod of another node."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from builders import endpoint_slice, pod, service, world
from netns.pods import Lab, ip
from nodeviews import node as node_of
from nodeviews import view_of
from tandem.base.addresses import family, host_prefix
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.gateway import Gateway
from tandem.ir.network import Network
from tandem.ir.node import NodeView
from tandem.model import core
from tandem.model.meta import Object
from tandem.runtime.vanished import forget_vanished

A, B = pod("a", ip="10.244.0.2"), pod("b", ip="10.244.0.3")
CLIENT = pod("client", ip="10.244.0.4")
FAR = pod("far", ip="10.245.0.2", node="node-2")
NODE, OUTSIDE, NEIGHBOUR = "192.168.0.1", "192.168.0.7", "192.168.0.2"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Who is where, in one family; the pods of the node lie in `prefix`, that of the other node in `far_prefix`."""

    a: core.Pod
    b: core.Pod
    client: core.Pod
    far: core.Pod
    node: str
    outside: str
    neighbour: str
    vip: str
    prefix: str
    far_prefix: str
    services: str

    @property
    def version(self) -> int:
        return family(self.vip)


FOUR = Places(
    a=A,
    b=B,
    client=CLIENT,
    far=FAR,
    node=NODE,
    outside=OUTSIDE,
    neighbour=NEIGHBOUR,
    vip="10.96.0.20",
    prefix="10.244.0.0/16",
    far_prefix="10.245.0.0/24",
    services="10.96.0.0/16",
)
SERVE = """
import socket, selectors
chosen = selectors.DefaultSelector()
for f in (socket.AF_INET, socket.AF_INET6):
    s = socket.create_server(("", 8080), family=f); chosen.register(s, 1, "tcp")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 5353)); chosen.register(u, 1, "udp")
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data == "udp":
            data, who = u.recvfrom(99); p = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); p.connect(who)
            u.sendto(b"%s %s" % (p.getsockname()[0].encode(), who[0].encode()), who)
        else:
            c, who = key.fileobj.accept()
            c.sendall(b"%s %s" % (c.getsockname()[0].encode(), who[0].encode())); c.close()
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

    def __init__(self, places: Places = FOUR) -> None:
        super().__init__()
        self.places = places
        self.nft = Libnftables(self.path)
        self.view: NodeView | None = None

    def start(self) -> None:
        super().start()
        at = self.places
        for each in (at.a, at.b, at.client):
            self.attach(each)
        self._netns(self.outside)
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.outside, netns=self.node)
        bits, quick = ("64", ("nodad",)) if at.version == 6 else ("24", ())
        for netns, address in ((self.node, at.node), (self.outside, at.outside)):
            ip("addr", "add", f"{address}/{bits}", "dev", "eth0", *quick, netns=netns)
            ip("link", "set", "eth0", "up", netns=netns)
            ip("link", "set", "lo", "up", netns=netns)
        # The other node is the same neighbour under another address, and its pod lives on its loopback. That address is
        # not preferred: it is no source of what the client outside sends.
        ip("addr", "add", f"{at.neighbour}/{bits}", "dev", "eth0", "preferred_lft", "0", *quick, netns=self.outside)
        ip("addr", "add", host_prefix(at.far.addresses[0]), "dev", "lo", *quick, netns=self.outside)
        ip("route", "add", at.far_prefix, "via", at.neighbour, netns=self.node)
        ip("route", "add", at.prefix, "via", at.node, netns=self.outside)

    @property
    def outside(self) -> str:
        return f"{self.node}-out"

    def serve(self, *pods: core.Pod, beside: tuple[Object, ...] = (), **spec: Any) -> None:
        ports = [
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
            {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP", "nodePort": 30053},
        ]
        web = service("web", ip=self.places.vip, type="NodePort", ports=ports, **spec)
        piece = endpoint_slice(web, list(pods))
        self.show(web, msgspec.structs.replace(piece, address_type=f"IPv{self.places.version}"), *beside)

    def show(self, *objects: Object, gateways: tuple[Gateway, ...] = (), network: Network | None = None) -> None:
        """Put these Services, slices, policies and Nodes in force beside the pods, and these gateways."""
        before, at = self.view, self.places
        made = view_of(world(at.a, at.b, at.client, at.far, *objects))
        self.view = msgspec.structs.replace(
            made,
            node=msgspec.structs.replace(made.node, addresses=(at.node,), pod_cidrs=(at.prefix,)),
            nodes={"node-2": node_of("node-2", at.far_prefix)},
            config=msgspec.structs.replace(made.config, service_cidrs=(at.services,), network=network or Network()),
            gateways={f"{one.namespace}/{one.name}": one for one in gateways},
        )
        self.nft.apply(plan(self.nft.read(), compile_nft(self.view)))
        if before is not None:
            after = self.view
            in_netns(self.path, lambda: forget_vanished(before, after))

    def ask(self, netns: str, host: str, port: int, count: int = 1) -> list[str]:
        with self.python(netns, ASK) as process:
            out, _ = process.communicate(json.dumps([host, port, count]) + "\n")
        return out.split("\n")[:-1]


@contextlib.contextmanager
def serving(places: Places = FOUR) -> Iterator[ServiceLab]:
    """The lab, with servers in the pods `a`, `b` and `far`."""
    lab = ServiceLab(places)
    try:
        lab.start()
        with (
            lab.python(lab.netns_of(places.a), SERVE) as a,
            lab.python(lab.netns_of(places.b), SERVE) as b,
            lab.python(lab.outside, SERVE) as far,
        ):
            for server in (a, b, far):
                assert server.stdout
                assert server.stdout.readline() == "ready\n"
            yield lab
    finally:
        lab.stop()
