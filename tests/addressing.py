"""Pools, blocks and loans for tests; and a cluster in which every message about addresses may be late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attaching import attachment
from tandem.apiserver.patch import merge_patch
from tandem.base.addresses import IPV4, family
from tandem.base.clock import FixedClock
from tandem.base.ids import ContainerId, PodUid
from tandem.cluster.blocks import absent, share_out
from tandem.cluster.nodes import POOLS, assign_pod_cidrs
from tandem.cluster.space import Known
from tandem.cluster.writes import Create, Delete, Patch
from tandem.drivers.xds.client_session import Update
from tandem.ipam.journal import MemoryJournal
from tandem.ipam.pool import ANY, Use, Wanted
from tandem.ir import wire
from tandem.ir.fabric import MeshConfig, Node
from tandem.ir.holdings import Holdings
from tandem.model import core
from tandem.model.ipam import IPAMBlock, IPPool, IPReservation, LoanState
from tandem.model.meta import Object, RawObject
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.runtime.holdings import Holder
from tandem.runtime.slice import Slice
from tandem.translate.nodes import translate_nodes, translate_reservations


def made(kind: str, name: str, spec: dict[str, Any]) -> Object:
    raw = {"apiVersion": "tandem.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    assert validate(raw) == []
    return parse(raw)


def pool(cidr: str, name: str = "default", **spec: Any) -> IPPool:
    return cast("IPPool", made("IPPool", name, {"cidr": cidr, **spec}))


def block(cidr: str, node: str, *loans: RawObject, pool: str = "default", returning: str = "") -> IPAMBlock:
    name = cidr.replace(".", "-").replace(":", "-").replace("/", "-")
    spec = {"cidr": cidr, "pool": pool, "node": node, "loans": list(loans), "returning": returning}
    return cast("IPAMBlock", made("IPAMBlock", name, spec))


def loan(address: str, node: str, state: LoanState = LoanState.ASKED, ident: str = "i") -> RawObject:
    return {"address": address, "node": node, "state": state.value, "id": ident}


def reservation(name: str, *prefixes: str) -> IPReservation:
    return cast("IPReservation", made("IPReservation", name, {"reservedCIDRs": list(prefixes)}))


def raw_node(name: str, **labels: str) -> RawObject:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": name, "labels": labels}}


def raw_pod(name: str, node: str, *asked: str, uid: str = "", **status: Any) -> RawObject:
    notes = {"tandem.io/ip-addresses": ",".join(asked)} if asked else {}
    metadata = {"name": name, "namespace": "n", "uid": uid or name, "annotations": notes}
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "host"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}


class Agent:
    """One node: its journal, and the real code that decides what may be given and what is reported."""

    def __init__(self, name: str, clock: FixedClock, *, cool_down: float = 10.0) -> None:
        self.name = name
        self.clock = clock
        self.cool_down = cool_down
        self.journal = MemoryJournal(clock)
        self.start()

    def start(self) -> None:
        """Also again: a new agent over the same journal, which waits for control."""
        self.slice = Slice(self.name)
        self.holder = Holder(
            self.slice,
            self.journal,
            self.clock,
            cool_down=self.cool_down,
            report=lambda _: None,
            connected=lambda: True,
        )

    def told(self, nodes: dict[str, Node], reserved: tuple[str, ...] = ()) -> None:
        """Control's word arrives."""
        config = MeshConfig(
            trust_domain="",
            cluster_domain="",
            dns_addresses=(),
            service_cidrs=(),
            reserved=reserved,
        )
        for url, values in ((wire.URLS[Node], nodes), (wire.URLS[MeshConfig], {"mesh": config})):
            held = self.slice._values[url]
            removed = tuple(sorted(set(held) - set(values)))
            encoded = {n: ("1", wire.encode(cast("wire.Value", v))) for n, v in values.items()}
            self.slice.take(Update(type_url=url, nonce="1", resources=encoded, removed=removed))

    def add(self, container: str, wanted: Wanted = ANY) -> tuple[str, ...]:
        """An ADD: addresses in the journal, or PoolFullError, AddressRefusedError."""
        addresses = self.holder.pool().give(wanted, self.use())
        self.journal.add(attachment(container, *addresses, pod_uid=PodUid(container), pod_name=container, opened=True))
        return addresses

    def use(self) -> Use:
        return self.holder.use()

    def remove(self, container: str) -> None:
        self.journal.remove((ContainerId(container), "eth0"))


class Cluster:
    """Control over a dictionary of objects; nothing arrives anywhere before it is delivered."""

    def __init__(self, *names: str, cidrs: str, length: int = 29, cool_down: float = 10.0, grace: float = 60.0) -> None:
        """`length`: of a block of IPv4; one of IPv6 has as many addresses."""
        self.clock = FixedClock(1000.0)
        self.grace = grace
        self.objects: dict[tuple[str, str, str], RawObject] = {}
        self.agents = {name: Agent(name, self.clock, cool_down=cool_down) for name in names}
        self.reports: dict[str, Holdings] = {}
        self.absent: dict[str, float] = {}
        self.seeds = 0
        for name in names:
            self.put(raw_node(name))
        for cidr in cidrs.split(",") if cidrs else ():
            size = length if family(cidr) == IPV4 else 96 + length
            spec = {"cidr": cidr, "blockSize": size}
            metadata = {"name": POOLS[family(cidr)]}
            self.put({"apiVersion": "tandem.io/v1", "kind": "IPPool", "metadata": metadata, "spec": spec})

    def put(self, raw: RawObject) -> None:
        assert validate(raw) == [], raw
        self.objects[key_of(raw)] = raw

    @property
    def world(self) -> World:
        return World.of(parse(raw) for raw in self.objects.values())

    def settle(self) -> int:
        """Control's writes until there are none; returns how many."""
        count = 0
        for _ in range(50):
            world = self.world
            self.seeds += 1
            now = self.clock.monotonic()
            self.absent = {n: self.absent.get(n, now) for n in absent(world, self.reports.keys())}
            gone = frozenset(n for n, since in self.absent.items() if 0 < now - since >= self.grace)
            known = Known(holdings=dict(self.reports), gone=gone, seed=str(self.seeds))
            writes = (*assign_pod_cidrs(world), *share_out(world, known))
            if not writes:
                return count
            count += len(writes)
            for write in writes:
                match write:
                    case Create(raw=raw):
                        assert key_of(raw) not in self.objects, f"{key_of(raw)} exists"
                        self.put(raw)
                    case Patch(kind=kind, namespace=namespace, name=name, patch=patch):
                        self.put(merge_patch(self.objects[kind, namespace, name], patch))
                    case Delete(kind=kind, namespace=namespace, name=name):
                        del self.objects[kind, namespace, name]
        raise AssertionError(f"control does not come to rest: {writes[:3]}")

    def tell(self, name: str) -> None:
        """What control says now reaches a node."""
        world = self.world
        if world.get(core.Node, "", name) is not None:
            self.agents[name].told(translate_nodes(world), translate_reservations(world))

    def hear(self, name: str) -> None:
        """What a node says now reaches control."""
        self.reports[name] = self.agents[name].holder.holdings()

    def converge(self, until: Callable[[], bool] = lambda: False) -> None:
        """Messages go to and fro until nothing changes any more, or the condition holds."""
        for _ in range(20):
            wrote = self.settle()
            for name in self.agents:
                self.tell(name)
            before = dict(self.reports)
            for name in self.agents:
                if self.world.get(core.Node, "", name) is not None:
                    self.hear(name)
            if until() or (not wrote and before == self.reports):
                return
        raise AssertionError("no rest")

    def blocks(self, node: str) -> list[str]:
        return sorted(b.spec.cidr for b in self.world.all(IPAMBlock).values() if b.spec.node == node)

    def loans(self) -> list[tuple[str, str, str]]:
        found = [x for b in self.world.all(IPAMBlock).values() for x in b.spec.loans]
        return sorted((x.address, x.node, x.state.value) for x in found)


def key_of(raw: RawObject) -> tuple[str, str, str]:
    meta = raw["metadata"]
    return raw["kind"], meta.get("namespace", ""), meta["name"]
