"""Policy sets with tiers, tables, answers and previews on the real kernel: real packets between veth pods."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from unittest.mock import patch

import msgspec
import pytest

from builders import endpoint_slice, pod, service, world
from netns.pods import Lab
from nfttrace import Packet, trace
from nodeviews import attached, routes, view_of
from tandem.base.ids import GroupId, PolicySetId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.nft import verdicts_groups, verdicts_mixed
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.verdicts_groups import FEW, MANY
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.ir.node import NodeView
from tandem.ir.policy import AddressGroup, Anyone, Cidr, Group, Peer, PolicySet, PortMatch, Rule, Side, Verdict
from tandem.model.meta import Object

pytestmark = pytest.mark.root

WEB = pod("web", ip=("10.244.0.2", "fd00:10:244::2"))
CLIENT = pod("client", ip=("10.244.0.3", "fd00:10:244::3"))
OTHER = pod("other", ip=("10.244.0.4", "fd00:10:244::4"))
GROUPS = {
    GroupId(p.metadata.name): AddressGroup(id=GroupId(p.metadata.name), addresses=p.addresses)
    for p in (WEB, CLIENT, OTHER)
}
CROWD = {
    GroupId(f"crowd{n}"): AddressGroup(id=GroupId(f"crowd{n}"), addresses=addresses)
    for n, addresses in enumerate((CLIENT.addresses, OTHER.addresses[1:], *[()] * FEW))
}
"""So many that they are asked as crowds, also without one of them."""
SERVE = """
import socket, selectors
chosen = selectors.DefaultSelector()
for port in (80, 81):
    s = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=99)
    chosen.register(s, 1, "tcp")
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(("::", 53)); chosen.register(u, 1, "udp")
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data == "udp": data, who = u.recvfrom(99); u.sendto(b"yes", who)
        else: c, who = key.fileobj.accept(); c.sendall(b"yes"); c.close()
"""
ASK = """
import json, os, socket, struct, sys, threading
def ask(kind, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if kind == "icmp":
        s = socket.socket(family, socket.SOCK_RAW, 58 if ":" in host else 1)
        s.settimeout(0.9); s.connect((host, 0))
        head = struct.pack("!BBHHH", 128 if ":" in host else 8, 0, 0, os.getpid() & 0xffff, port)
        total = sum(struct.unpack("!4H", head)); total = (total >> 16) + (total & 0xffff)
        s.send(head[:2] + struct.pack("!H", ~total & 0xffff) + head[4:])
        while True:
            data = s.recv(99)[0 if ":" in host else 20:]
            if data[0] in (0, 129) and data[4:8] == head[4:8]: return "yes"
    s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    s.settimeout(0.9)
    s.connect((host, port))
    if kind == "udp": s.send(b"ping")
    return s.recv(9).decode() or "closed"
def answer(i, probe):
    try: found[i] = ask(*probe)
    except TimeoutError: found[i] = "timeout"
    except ConnectionRefusedError: found[i] = "refused"
    except OSError as e: found[i] = os.strerror(e.errno)
probes = json.loads(sys.stdin.readline()); found = [""] * len(probes)
threads = [threading.Thread(target=answer, args=p) for p in enumerate(probes)]
for t in threads: t.start()
for t in threads: t.join()
print(json.dumps(found))
"""
Probe = tuple[str, str, int]
PROBES: tuple[Probe, ...] = tuple(
    (kind, host, port) for host in WEB.addresses for kind, port in (("tcp", 80), ("tcp", 81), ("udp", 53), ("icmp", 7))
)
BY = Origin(kind="NetworkPolicy", name="isolates", path="spec.ingress")


class Node(Lab):
    """A lab with the three pods, the server running in web, and one table."""

    def __init__(self) -> None:
        super().__init__()
        self.nft = Libnftables(self.path)

    def apply(self, view: NodeView) -> None:
        self.nft.apply(plan(self.nft.read(), compile_nft(view)))

    def ask(self, source: str, *probes: Probe) -> list[str]:
        with self.python(f"{self.node}-{source}", ASK) as process:
            out, _ = process.communicate(json.dumps(probes) + "\n")
        found: list[str] = json.loads(out)
        return found


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node().running(WEB, CLIENT, OTHER, server=SERVE) as lab:
        yield lab


def judging(ingress: PolicySet, *others: PolicySet, objects: tuple[Object, ...] = ()) -> NodeView:
    """The node with `ingress` for web."""
    seen = view_of(world(WEB, CLIENT, OTHER, *objects))
    pods = (attached(WEB, ingress=ingress.id), attached(CLIENT), attached(OTHER))
    return msgspec.structs.replace(seen, pods=pods, sets={s.id: s for s in (ingress, *others)}, groups=GROUPS | CROWD)


def a_set(
    *,
    rules: tuple[Rule, ...] = (),
    admin: tuple[Rule, ...] = (),
    baseline: tuple[Rule, ...] = (),
    isolated: bool = True,
    rejects: bool = False,
    preview: str = "",
) -> PolicySet:
    return PolicySet(
        id=PolicySetId("judged"),
        side=Side.INGRESS,
        rules=rules,
        admin=admin,
        baseline=baseline,
        isolated_by=(BY,) if isolated else (),
        rejects=rejects,
        preview=PolicySetId(preview) if preview else None,
    )


def a_rule(name: str, peer: Peer, *ports: PortMatch, verdict: Verdict = Verdict.ACCEPT, rejects: bool = False) -> Rule:
    origin = Origin(kind="Policy", name=name, path="spec.ingress[0]")
    return Rule(peers=(peer,), ports=ports, origin=origin, verdict=verdict, rejects=rejects)


HTTP = PortMatch(protocol="TCP", first=80, last=80)
CALLER = Group(id=GroupId("client"))


def random_set(seed: int) -> PolicySet:
    """Tiers of many rules, most of which are about nobody here: enough of them that each block becomes tables."""
    chance = random.Random(seed)  # noqa: S311 no secret
    peers: list[Peer] = [
        Anyone(),
        *(Group(id=g) for g in GROUPS),
        *(Cidr(prefix=p) for p in ("10.244.0.3/32", "10.244.0.0/29", "0.0.0.0/0", "fd00:10:244::4/128", "::/0")),
        Cidr(prefix="10.0.0.0/8", excepts=("10.244.0.4/32",)),
        Cidr(prefix="fd00::/8", excepts=("fd00:10:244::3/128",)),
    ]
    ports = [
        (HTTP,),
        (PortMatch(protocol="TCP", first=81, last=90),),
        (PortMatch(protocol="UDP"),),
        (PortMatch(protocol="UDP", first=53, last=53), PortMatch(protocol="TCP", first=79, last=80)),
    ]

    def block(tag: str, verdict: Verdict) -> list[Rule]:
        found = [
            a_rule(f"{tag}-{i}", Cidr(prefix=f"192.0.2.{i}/32"), chance.choice(ports)[0], verdict=verdict)
            for i in range(17)
        ]
        for i in range(chance.randint(0, 2)):
            given = () if chance.random() < 0.15 else chance.choice(ports)
            found.append(a_rule(f"{tag}-x{i}", chance.choice(peers), *given, verdict=verdict))
        if chance.random() < 0.5:
            found += [a_rule(f"{tag}-g{i}", chance.choice(peers[1:4]), HTTP, verdict=verdict) for i in range(9)]
        if chance.random() < 0.5:
            given, without = chance.choice(ports), chance.randint(0, 1)
            crowd = [Group(id=group) for group in list(CROWD)[without:]]
            found += [a_rule(f"{tag}-c{i}", one, *given, verdict=verdict) for i, one in enumerate(crowd)]
        chance.shuffle(found)
        return found

    verdicts = [chance.choice(tuple(Verdict)) for _ in range(3)]
    admin = [rule for i, verdict in enumerate(verdicts) for rule in block(f"a{i}", verdict)]
    if seed % 3 == 0:  # the verdict changes from rule to rule
        chance.shuffle(admin)
    if chance.random() < 0.6:
        return a_set(admin=tuple(admin), rules=tuple(block("n", Verdict.ACCEPT)))
    baseline = [rule for i, verdict in enumerate(verdicts[::-1]) for rule in block(f"b{i}", verdict)]
    return a_set(admin=tuple(admin), baseline=tuple(baseline), isolated=False)


@pytest.mark.parametrize("seed", range(12))
def test_the_kernel_and_the_tracer_agree_on_tables_of_every_shape(node: Node, seed: int) -> None:
    view = judging(random_set(seed))
    few = FEW if seed % 2 else 1
    with (
        patch.object(verdicts_groups, "MANY", 0 if seed % 2 else MANY),
        patch.multiple(verdicts_mixed, FEW=few, AGAIN=1000),
    ):
        node.apply(view)
        ruleset, route = compile_nft(view), routes(world(WEB, CLIENT, OTHER))
    wanted, found = {}, {}
    for source in (CLIENT, OTHER):
        name = source.metadata.name
        for probe, answer in zip(PROBES, node.ask(name, *PROBES), strict=True):
            kind, host, port = probe
            own = source.addresses[":" in host]
            protocol = "ipv6-icmp" if kind == "icmp" and ":" in host else kind
            link = next(a.host_ifname for a in view.pods if own in a.addresses)
            packet = Packet(saddr=own, daddr=host, protocol=protocol, dport=port, iifname=link)
            verdict = trace(ruleset, packet, route=route).verdict
            wanted[name, probe] = "yes" if verdict == "accept" else "timeout"
            found[name, probe] = answer
    assert found == wanted


def test_every_allowed_connection_is_counted_once_by_its_rule_also_after_a_restart(node: Node) -> None:
    rule, other = a_rule("counted", CALLER, HTTP), a_rule("idle", Group(id=GroupId("other")), HTTP)
    many = tuple(a_rule(f"more-{i}", Cidr(prefix=f"192.0.2.{i}/32"), HTTP) for i in range(20))
    hosts = a_rule("by-table", Cidr(prefix="10.244.0.4/32"), PortMatch(protocol="TCP", first=81, last=81))
    crowd = tuple(a_rule(f"crowd-{i}", Group(id=g), PortMatch(protocol="UDP")) for i, g in enumerate(CROWD))
    view = judging(a_set(rules=(rule, other, hosts, *many, *crowd)))
    node.apply(view)
    before = node.nft.counted()
    assert node.ask("client", ("udp", "10.244.0.2", 53)) == ["yes"]
    assert node.ask("other", ("udp", "fd00:10:244::2", 53), ("udp", "10.244.0.2", 53)) == ["yes", "timeout"]
    assert node.ask("client", *[("tcp", "10.244.0.2", 80)] * 5) == ["yes"] * 5
    assert node.ask("other", *[("tcp", "10.244.0.2", 81)] * 3) == ["yes"] * 3
    assert node.ask("other", ("tcp", "10.244.0.2", 79)) == ["timeout"]
    after = node.nft.counted()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        names.allowed(rule.origin): 5,
        names.allowed(hosts.origin): 3,
        names.allowed(crowd[0].origin): 1,
        names.allowed(crowd[1].origin): 1,
        names.denied((BY,)): after[names.denied((BY,))] - before[names.denied((BY,))],
    }
    again = Libnftables(node.path)
    again.apply(plan(again.read(), compile_nft(view)))
    assert again.counted() == after
    node.nft = again


@pytest.mark.parametrize("host", WEB.addresses)
def test_a_denial_is_answered_only_where_that_is_asked_for(node: Node, host: str) -> None:
    tcp, udp = ("tcp", host, 80), ("udp", host, 53)
    node.apply(judging(a_set()))
    assert node.ask("client", tcp, udp) == ["timeout", "timeout"]
    node.apply(judging(a_set(rejects=True)))
    assert node.ask("client", tcp, udp) == ["refused", "Permission denied" if ":" in host else "No route to host"]
    denies = a_rule("denies", CALLER, verdict=Verdict.DENY, rejects=True)
    node.apply(judging(a_set(admin=(denies,))))
    assert node.ask("client", tcp) == ["refused"]
    assert node.ask("other", tcp) == ["timeout"]


def test_a_preview_tells_what_it_would_deny_and_changes_nothing(node: Node) -> None:
    denies = a_rule("staged", CALLER, verdict=Verdict.DENY)
    preview = msgspec.structs.replace(a_set(admin=(denies,)), id=PolicySetId("later"))
    node.apply(judging(a_set(isolated=False, preview="later"), preview))
    told, isolated = names.denied((denies.origin,), staged=True), names.denied((BY,), staged=True)
    assert node.ask("client", ("tcp", "10.244.0.2", 80)) == ["yes"]
    assert node.nft.counted() == {told: 1, isolated: 0}
    assert node.ask("other", ("tcp", "10.244.0.2", 80), ("tcp", "fd00:10:244::2", 80)) == ["yes", "yes"]
    assert node.nft.counted() == {told: 1, isolated: 2}


def test_a_pod_reaches_itself_by_a_service_unless_a_tier_of_the_cluster_says_no(node: Node) -> None:
    web = service("web", ip="10.96.0.20", ports=[{"port": 8000, "targetPort": 80}])
    objects = (web, endpoint_slice(web, [WEB]))
    hairpin: Probe = ("tcp", "10.96.0.20", 8000)
    node.apply(judging(a_set(), objects=objects))
    assert node.ask("web", hairpin) == ["yes"]
    assert node.ask("client", hairpin) == ["timeout"]
    denies = a_rule("denies", Group(id=GroupId("web")), verdict=Verdict.DENY)
    for tiers in (a_set(admin=(denies,)), a_set(baseline=(denies,), isolated=False)):
        node.apply(judging(tiers, objects=objects))
        assert node.ask("web", hairpin, ("tcp", "10.244.0.2", 80)) == ["timeout", "yes"]
