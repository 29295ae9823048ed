"""Nodes that share pools, with every message late by any amount: no address is at two places, or too soon again."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from addressing import Cluster, reservation
from tandem.base.addresses import host_prefix
from tandem.base.block import Block, span
from tandem.ipam.pool import PoolFullError
from tandem.model.ipam import IPAMBlock

NAMES = ("a", "b", "c")
NODES = st.sampled_from(NAMES)
COOL_DOWN = 10.0


class Sharing(RuleBasedStateMachine):
    """The model is address -> where it is, and when it was last given up."""

    @initialize(cidr=st.sampled_from(["10.0.0.0/28", "10.0.0.0/27", "10.0.0.0/28,fd00::/123"]))
    def begin(self, cidr: str) -> None:
        self.cluster = Cluster(*NAMES, cidrs=cidr, cool_down=COOL_DOWN)
        self.families = 1 + cidr.count(",")
        self.where: dict[str, str] = {}
        self.since: dict[str, float] = {}
        self.pods: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.count = 0
        self.cluster.converge(lambda: True)
        self.cluster.converge(lambda: True)

    @rule(node=NODES, many=st.integers(1, 5))
    def add(self, node: str, many: int) -> None:
        for _ in range(many):
            self.add_one(node)

    def add_one(self, node: str) -> None:
        agent = self.cluster.agents[node]
        if agent.slice.node is None:
            return
        self.count += 1
        name = f"p{self.count}"
        try:
            addresses = agent.add(name)
        except PoolFullError:
            return
        assert len(addresses) == self.families, "half a success"
        now = self.cluster.clock.monotonic()
        for address in addresses:
            assert address not in self.where, f"{address} is at {self.where.get(address)} and given by {node}"
            version, number, _ = span(host_prefix(address))
            for prefix in agent.holder.pool().reserved:
                of, low, high = span(prefix)
                assert not (of == version and low <= number <= high), f"{address} is reserved"
            assert now - self.since.get(address, -COOL_DOWN) >= COOL_DOWN, f"{address} has not cooled down"
            self.where[address] = node
        self.pods[name] = (node, addresses)

    @rule(node=NODES, many=st.integers(1, 5), newest=st.booleans())
    def remove(self, node: str, many: int, *, newest: bool) -> None:
        mine = sorted((n for n, (where, _) in self.pods.items() if where == node), key=lambda n: int(n[1:]))
        for name in mine[::-1][:many] if newest else mine[:many]:
            self.remove_one(name)

    def remove_one(self, name: str) -> None:
        node, addresses = self.pods.pop(name)
        self.cluster.agents[node].remove(name)
        for address in addresses:
            del self.where[address]
            self.since[address] = self.cluster.clock.monotonic()

    @rule(seconds=st.sampled_from([1.0, 11.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.cluster.clock.advance(seconds)

    @rule()
    def control_works(self) -> None:
        self.cluster.settle()

    @rule(node=NODES)
    def control_is_heard(self, node: str) -> None:
        self.cluster.tell(node)

    @rule(node=NODES)
    def node_is_heard(self, node: str) -> None:
        self.cluster.hear(node)

    @rule(node=NODES)
    def connection_breaks(self, node: str) -> None:
        self.cluster.reports.pop(node, None)

    @rule(node=NODES)
    def agent_restarts(self, node: str) -> None:
        self.cluster.agents[node].start()

    @rule()
    def everything_arrives(self) -> None:
        self.cluster.converge(lambda: True)

    @rule()
    def a_reservation_comes(self) -> None:
        self.cluster.put(_raw_reservation())

    @rule(node=NODES)
    def node_is_gone_for_long_and_comes_back(self, node: str) -> None:
        """Its agent goes on giving addresses of its blocks all the while: they are not given to others in the grace."""
        key = ("Node", "", node)
        raw = self.cluster.objects.pop(key)
        self.cluster.settle()
        self.cluster.clock.advance(30.0)
        self.cluster.settle()
        self.cluster.objects[key] = raw
        self.cluster.settle()

    @invariant()
    def every_address_belongs_to_where_it_is(self) -> None:
        """By what the API says: its node's block, or lent to that node."""
        if not hasattr(self, "cluster"):
            return
        blocks = self.cluster.world.sorted(IPAMBlock)
        for address, node in self.where.items():
            (holder,) = [b for b in blocks if address in Block(b.spec.cidr)]
            lent = {loan.address: loan.node for loan in holder.spec.loans if loan.state.value != "Asked"}
            assert lent.get(address, holder.spec.node) == node, f"{address} is at {node}"


def _raw_reservation() -> dict[str, object]:
    found = reservation("r", "10.0.0.4/31")
    spec = {"reservedCIDRs": list(found.spec.reserved_cidrs)}
    return {"apiVersion": "tandem.io/v1", "kind": "IPReservation", "metadata": {"name": "r"}, "spec": spec}


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=60, stateful_step_count=60)
