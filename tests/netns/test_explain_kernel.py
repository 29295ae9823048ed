"""What `tandem explain` says of Services, policies and protocols, and what real packets do in the same World."""

from __future__ import annotations

import asyncio
import dataclasses
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import product
from typing import Any, Final, cast

import msgspec
import pytest

from builders import endpoint_slice, pod, policy, service, world
from netns.pods import NETNS
from netns.servicelab import FAR, FOUR, NEIGHBOUR, NODE, OUTSIDE, ServiceLab
from tandem.base.netns import in_netns
from tandem.drivers.reach.crew import Answer, Crew, Place, Target, crew
from tandem.drivers.reach.worker import tag_of
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.observe.conntrack import end_connections
from tandem.runtime.matrix import inside
from tandem.views.explain import Explanation, Question, explain

pytestmark = pytest.mark.root

A, B, CLIENT = (pod(n, ip=f"10.244.0.{i}", labels={"pod": n}) for i, n in enumerate(("a", "b", "client"), 2))
PLACES: Final = dataclasses.replace(FOUR, a=A, b=B, client=CLIENT)
VIP, BALANCER, PARTNER = FOUR.vip, "198.51.100.7", "203.0.113.7"
PORTS: Final = [
    {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
    {"name": "dns", "port": 53, "targetPort": 5353, "nodePort": 30053, "protocol": "UDP"},
    {"name": "sig", "port": 90, "targetPort": 99, "nodePort": 30090, "protocol": "SCTP"},
]
SERVED: Final = (("TCP", 8080), ("UDP", 5353), ("SCTP", 99))


def node_of(name: str, address: str, cidr: str) -> core.Node:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDR": cidr}, "status": status}
    return cast("core.Node", parse(raw))


NODES: Final = (node_of("node-1", NODE, FOUR.prefix), node_of("node-2", NEIGHBOUR, FOUR.far_prefix))
WHO: Final = {"client": "client", "a": "a", "outside": OUTSIDE, "node": "node/node-1"}
"""A worker -> FROM."""
TARGETS: Final = tuple(
    Target(protocol=protocol, address=address, port=port)
    for address, ports in (
        (VIP, (80, 53, 90)),
        (NODE, (30080, 30053, 30090)),
        (BALANCER, (80, 53, 90)),
        (PARTNER, (80, 53, 90)),
        (A.addresses[0], (8080, 5353, 99)),
    )
    for protocol, port in zip(("TCP", "UDP", "SCTP"), ports, strict=True)
)


def behind(pods: Sequence[core.Pod], spec: dict[str, Any], ranges: Sequence[str] = ()) -> tuple[Object, ...]:
    """The Service, with an address of a load balancer, an external one and node ports, and its slice."""
    web = service("web", ip=VIP, type="LoadBalancer", ports=PORTS, externalIPs=[PARTNER], **spec)
    ingress = core.LoadBalancerStatus(ingress=(core.IngressAddress(ip=BALANCER),))
    limited = msgspec.structs.replace(web.spec, load_balancer_source_ranges=tuple(ranges))
    web = msgspec.structs.replace(web, spec=limited, status=core.ServiceStatus(load_balancer=ingress))
    return web, endpoint_slice(web, list(pods))


def closed(side: str, who: str, *rules: dict[str, Any]) -> Object:
    spec: dict[str, Any] = {"podSelector": {"matchLabels": {"pod": who}}, "policyTypes": [side.capitalize()]}
    spec[side] = list(rules)
    return policy(f"{side}-{who}", **spec)


def of(cidr: str, *ports: tuple[str, int], peers: str = "from") -> dict[str, Any]:
    listed = [{"protocol": protocol, "port": port} for protocol, port in ports]
    return {peers: [{"ipBlock": {"cidr": cidr}}], **({"ports": listed} if listed else {})}


LOCAL: Final = {"externalTrafficPolicy": "Local"}
WORLDS: Final[dict[str, tuple[Object, ...]]] = {
    "open": behind([A, B], {}),
    "nobody": behind([], {}),
    "elsewhere": behind([FAR], {}),
    "elsewhere, and outside local": behind([FAR], LOCAL),
    "inside local": behind([A], {"internalTrafficPolicy": "Local"}),
    "elsewhere, and inside local": behind([FAR], {"internalTrafficPolicy": "Local"}),
    "here, and outside local": behind([A, FAR], LOCAL),
    "sources limited": behind([A], {}, [f"{OUTSIDE}/32"]),
    "nobody comes in": (*behind([A, B], {}), closed("ingress", "a"), closed("ingress", "b")),
    "udp comes in": (*behind([A], {}), closed("ingress", "a", {"ports": [{"protocol": "UDP"}]})),
    "tcp and sctp from outside": (
        *behind([A], {}),
        closed("ingress", "a", of(f"{OUTSIDE}/32", ("TCP", 8080), ("SCTP", 99))),
    ),
    "the port before translation opens nothing": (
        *behind([A], {}),
        closed("egress", "client", {"ports": [{"protocol": p, "port": n} for p, n in (("TCP", 80), ("UDP", 53))]}),
    ),
    "the port after it does": (
        *behind([A], {}),
        closed("egress", "client", of("10.244.0.2/32", ("UDP", 5353), ("SCTP", 99), peers="to")),
    ),
    "the address before translation opens nothing": (
        *behind([A], {}),
        closed("egress", "client", of("10.96.0.0/16", peers="to")),
    ),
    "one of two is closed": (*behind([A, B], {}), closed("ingress", "b")),
}


class Observer:
    """The lab with a worker in each place."""

    def __init__(self, lab: ServiceLab, workers: Crew) -> None:
        self.lab, self.workers = lab, workers

    async def show(self, objects: tuple[Object, ...]) -> None:
        await asyncio.to_thread(self.lab.show, *NODES, *objects)
        await asyncio.to_thread(in_netns, self.lab.path, lambda: end_connections(lambda _: True))

    async def ask(self, targets: Sequence[Target], places: Sequence[str]) -> dict[tuple[str, Target], Answer]:
        found = await self.workers.ask(dict.fromkeys(places, tuple(targets)), seconds=2.0, width=50)
        return {(who, t): a for who, answers in found.items() for t, a in zip(targets, answers, strict=True)}


@asynccontextmanager
async def observing(lab: ServiceLab) -> AsyncIterator[Observer]:
    spaces = {"a": lab.netns_of(A), "b": lab.netns_of(B), "client": lab.netns_of(CLIENT)}
    spaces |= {"outside": lab.outside, "node": lab.node}
    async with crew(Place(name=n, argv=inside(str(NETNS / space))) for n, space in spaces.items()) as workers:
        # Beyond the node is the other node's pod too.
        await workers.serve(dict.fromkeys(("a", "b", "outside"), SERVED))
        yield Observer(lab, workers)


@pytest.fixture(scope="module")
def node() -> Iterator[ServiceLab]:
    lab = ServiceLab(PLACES)
    try:
        lab.start()
        lab.run(lab.node, "sysctl -qw net.ipv4.icmp_ratelimit=0")
        lab.run(lab.node, f"ip route add default via {OUTSIDE}")
        for prefix in (VIP, BALANCER, PARTNER):
            lab.run(lab.outside, f"ip route add {prefix}/32 via {NODE}")
        yield lab
    finally:
        lab.stop()


def told(objects: tuple[Object, ...], source: str, target: Target) -> Explanation:
    made = world(A, B, CLIENT, FAR, *NODES, *objects)
    asked = Question(source=WHO[source], destination=f"{target.address}:{target.port}/{target.protocol}")
    return explain(made, asked)


def expected(found: Explanation, target: Target) -> set[str]:
    """The answers that would agree: names of pods, `refused` and `silent`."""
    if not found.ways:
        refused = any(line.layer == "endpoints" for line in found.route)
        # Of a refusal of SCTP made by hand nothing can be seen.
        return {"refused"} if refused and target.protocol != "SCTP" else {"silent"}
    if target.protocol == "SCTP" and any(way.address in FAR.addresses for way in found.ways):
        return {"silent", "a"}  # made by hand, its answer comes from another address of that machine
    # Of several nodes the one that is dialled here.
    dropped = {"silent"} if any(line.effect == "drops" and "node-1" in line.text for line in found.route) else set()
    names = {FAR.addresses[0]: "outside"} | {p.addresses[0]: p.metadata.name for p in (A, B)}
    return dropped | {names[way.address] if way.allowed else "silent" for way in found.ways}


def seen(answer: Answer) -> str:
    """SCTP that is made by hand says a number in place of a name."""
    named = {f"tag {tag_of(name)}": name for name in ("a", "b", "outside")}
    return named.get(answer.detail, answer.detail) if answer.outcome == "answered" else answer.outcome


@pytest.mark.parametrize("name", WORLDS)
def test_packets_go_where_explain_says(node: ServiceLab, name: str) -> None:
    objects = WORLDS[name]

    async def run() -> dict[tuple[str, Target], Answer]:
        async with observing(node) as observer:
            await observer.show(objects)
            return await observer.ask(TARGETS, tuple(WHO))

    answers = asyncio.run(run())
    wrong = []
    for (who, target), answer in answers.items():
        found = told(objects, who, target)
        # What a node drops or refuses of its own is told to who sends.
        said = {"silent", "refused"} if answer.detail == "EPERM" else {seen(answer)}
        if not said & expected(found, target):
            wrong.append((who, target, answer, found.summary))
    assert wrong == [], "\n".join(map(str, wrong))


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_affinity_is_told_and_kept(node: ServiceLab, protocol: str) -> None:
    objects = behind([A, B], {"sessionAffinity": "ClientIP"})
    targets = [t for t in TARGETS if t.protocol == protocol and t.address in {VIP, NODE}]

    async def run() -> list[dict[tuple[str, Target], Answer]]:
        async with observing(node) as observer:
            await observer.show(objects)
            return [await observer.ask(targets, ("client", "outside")) for _ in range(12)]

    rounds = asyncio.run(run())
    for who, target in product(("client", "outside"), targets):
        found = told(objects, who, target)
        keeps = [line for line in found.route if line.effect == "keeps"]
        assert [str(line.rule) for line in keeps] == ["Service default/web spec.sessionAffinity"]
        if who == "outside" and target.address == VIP:
            continue
        [answer] = {seen(one[who, target]) for one in rounds}
        assert answer in {"a", "b"}


ECHO: Final = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(0.7)
for line in sys.stdin:
    where, packet = line.split()
    s.sendto(bytes.fromhex(packet), (where, 0))
    try:
        while True:
            data, who = s.recvfrom(999)
            if data[20] == 0 and who[0] == where: print("answered", flush=True); break
    except TimeoutError: print("silent", flush=True)
"""


def echo_request() -> bytes:
    """RFC 792."""
    head = struct.pack("!BBHHH", 8, 0, 0, 116, 1)
    total = sum(struct.unpack("!4H", head))
    return struct.pack("!BBHHH", 8, 0, ~((total >> 16) + total) & 0xFFFF, 116, 1)


@pytest.mark.parametrize(
    "objects",
    [
        behind([A], {}),
        (*behind([A], {}), closed("ingress", "a", {"ports": [{"protocol": "TCP"}]})),
        (*behind([A], {}), closed("ingress", "a", {"from": [{"podSelector": {}}]})),
        (*behind([A], {}), closed("egress", "client", of("10.244.0.0/24", peers="to"))),
    ],
)
def test_a_ping_is_answered_where_explain_says(node: ServiceLab, objects: tuple[Object, ...]) -> None:
    node.show(*NODES, *objects)
    in_netns(node.path, lambda: end_connections(lambda _: True))
    made = world(A, B, CLIENT, FAR, *NODES, *objects)
    for who, space in (("client", node.netns_of(CLIENT)), (OUTSIDE, node.outside)):
        with node.python(space, ECHO) as pinging:
            assert pinging.stdin
            assert pinging.stdout
            for address in (A.addresses[0], B.addresses[0], NODE, VIP):
                pinging.stdin.write(f"{address} {echo_request().hex()}\n")
                pinging.stdin.flush()
                found = explain(made, Question(source=who, destination=address, protocol="ICMP"))
                answer = pinging.stdout.readline().strip()
                assert answer == ("answered" if found.allowed else "silent"), found.summary
