"""Real packets, all pods against all pods, for a table of policies: by what is written beside each and the reference.

Nine pods of both families behind one node; the probes are those of `tandem verify matrix`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final, TypeVar

import pytest

from builders import namespace, pod, world
from netns.cases import CASES, PEER_SORTS, PORT_SORTS, TIERS, Case, generated
from netns.pods import NETNS, Lab
from nodeviews import view_of
from tandem.base.netns import in_netns
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.reach.crew import Crew, Place, crew
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.observe.conntrack import end_connections
from tandem.reference.ends import DNS
from tandem.runtime.matrix import Patience, ask, inside
from tandem.views.matrix import Cell, Word, ends_of, questions

pytestmark = pytest.mark.root
T = TypeVar("T")

PORTS: Final = (("TCP", 80), ("TCP", 81), ("UDP", 80), ("UDP", 81), ("SCTP", 80))
SERVED: Final = [
    {"name": "serve-80", "containerPort": 80},
    {"name": "serve-81", "containerPort": 81},
    {"name": "serve-80-udp", "containerPort": 80, "protocol": "UDP"},
]
SPACES: Final = "xyz"
PODS: Final = tuple(
    pod(
        name,
        namespace=space,
        ip=(f"10.244.{i}.{j}", f"fd00:{i}::{j}"),
        ports=SERVED,
        labels={"pod": name},
        uid=f"{space}{name}",
    )
    for i, space in enumerate(SPACES, 1)
    for j, name in enumerate("abc", 1)
)
AROUND: Final[tuple[Object, ...]] = (*PODS, *(namespace(space, ns=space) for space in SPACES))
PATIENCE: Final = Patience(seconds=0.4, tries=30)
WORDS: Final = {"yes": Word.ALLOWED, "no": Word.DENIED, "refused": Word.REFUSED}


class Place9(Lab):
    """The pods, the table, and a worker in each pod."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._over = self.run_now(self._event())
        self._nft = Libnftables(self.path)
        self._crew: Crew | None = None
        self._holding: Any = None

    def netns_of(self, pod: core.Pod) -> str:
        return f"{self.node}-{pod.metadata.namespace}{pod.metadata.name}"

    async def _event(self) -> asyncio.Event:
        return asyncio.Event()

    def run_now(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def begin(self) -> None:
        self.start()
        self.run(self.node, "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0")
        for each in PODS:
            self.attach(each)
        ready = threading.Event()

        async def hold() -> None:
            places = [Place(name="/".join(p.key), argv=inside(str(NETNS / self.netns_of(p)))) for p in PODS]
            async with crew(places) as workers:
                await workers.serve({place.name: PORTS for place in places})
                self._crew = workers
                ready.set()
                await self._over.wait()

        self._holding = asyncio.run_coroutine_threadsafe(hold(), self._loop)
        assert ready.wait(60), self._holding.exception(0)

    def end(self) -> None:
        with ExitStack() as stack:
            stack.callback(self.stop)
            stack.callback(self._end_loop)
            self._loop.call_soon_threadsafe(self._over.set)
            if self._holding is not None:
                self._holding.result(60)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cells(self, policies: Sequence[Object], pods: Sequence[Object] = PODS) -> list[Cell]:
        """Every packet in this World, and what came of it."""
        found: World = world(*AROUND, *pods, *policies)
        self._nft.apply(plan(self._nft.read(), compile_nft(view_of(found))))
        in_netns(self.path, lambda: end_connections(lambda _: True))  # a port may be used again: that is no connection
        assert self._crew is not None
        asked = questions(found, ends_of(found), PORTS, dns_addresses=DNS)
        return self.run_now(ask(self._crew, asked, PATIENCE))


@pytest.fixture(scope="module")
def place() -> Iterator[Place9]:
    made = Place9()
    try:
        made.begin()
        yield made
    finally:
        made.end()


def check(place: Place9, case: Case) -> None:
    policies, facts = case
    cells = place.cells(policies)
    assert not [c for c in cells if not c.equal]
    seen = {(c.source, c.destination, f"{c.port}/{c.protocol}"): c.observed for c in cells if ":" not in c.address}
    for fact in facts.split("; "):
        source, destination, port, word = fact.split()
        assert seen[source, destination, port] is WORDS[word], fact


@pytest.mark.parametrize("name", CASES)
def test_networkpolicy(place: Place9, name: str) -> None:
    check(place, CASES[name])


@pytest.mark.parametrize("name", TIERS)
def test_tiers(place: Place9, name: str) -> None:
    check(place, TIERS[name])


@pytest.mark.parametrize("side", ["ingress", "egress"])
@pytest.mark.parametrize("peers", PEER_SORTS)
def test_every_sort_of_peers_with_every_sort_of_ports(place: Place9, side: str, peers: str) -> None:
    for ports in PORT_SORTS:
        wrong = [c for c in place.cells(generated(side, peers, ports)) if not c.equal]
        assert not wrong, ports


def test_a_label_that_changes_changes_who_is_meant(place: Place9) -> None:
    policies, _ = CASES["a pod selector means the policy's own namespace"]
    before = {(c.source, c.destination, c.port): c.observed for c in place.cells(policies) if c.protocol == "TCP"}
    assert before["x/c", "x/a", 80] is Word.DENIED
    changed = pod("c", namespace="x", ip=("10.244.1.3", "fd00:1::3"), ports=SERVED, labels={"pod": "b"}, uid="xc")
    cells = place.cells(policies, [changed])
    assert not [c for c in cells if not c.equal]
    assert {c.observed for c in cells if (c.source, c.destination) == ("x/c", "x/a")} == {Word.ALLOWED}


def test_a_rule_that_is_missing_in_the_kernel_is_a_difference(place: Place9) -> None:
    """The matrix would see it: the expectation is of policies that nobody has put in force."""
    policies, _ = CASES["a namespace is closed by a policy without rules"]
    place.cells([])
    found = world(*AROUND, *policies)
    asked = questions(found, ends_of(found), (("TCP", 80),), dns_addresses=DNS)
    assert place._crew is not None
    cells = place.run_now(ask(place._crew, asked, PATIENCE))
    assert {(c.expected, c.observed, c.tries) for c in cells if not c.equal} == {(Word.DENIED, Word.ALLOWED, 1)}
