"""Services -> load balancing in the kernel, for pods, for the node itself and for what comes from outside. Pure.

The number of chains does not grow with Services: `service4` maps (address . protocol . port) to the chain `lb-<n>`
that draws a number below n into the connection's mark, and `backend4` maps (address . protocol . port . number) to
the endpoint. A change of endpoints is a change of elements. Only the first packet of a connection comes here.
Node ports have the same maps without the address. `outside4` comes before `service4` for sources outside the cluster
where a policy Local treats them otherwise; its numbers begin at OUTSIDE. Variants of the chain for session affinity
keep (client . front : endpoint) in a dynamic map; with IPv6 each such front has a chain and a map of its own, whose key
is the client alone (docs/design/0018). What has no endpoint is refused, as kube-proxy does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from tandem.base.digest import digest
from tandem.base.ids import NodeName
from tandem.base.memo import pairs_as_before, same_as_before
from tandem.compile import names
from tandem.compile.nft.among import between_sets, not_translated
from tandem.compile.nft.chains import LOG_LIMIT
from tandem.compile.nft.families import FAMILIES, V4, V6, Family
from tandem.compile.nft.fronts import Front, Lane, Target, fronts, owned
from tandem.compile.nft.sources import source_rules, source_sets
from tandem.ir.fabric import Endpoints, MeshConfig, Node, Service
from tandem.ir.node import NodeView
from tandem.state import nft
from tandem.state.nft import Field

OUTSIDE: Final = 1 << 16
"""Endpoint numbers for sources outside the cluster, where they see other endpoints, begin here."""
STABLE: Final = 1 << 31
"""Numbers from here on are those of affinity: a digest of the endpoint, the same whatever others come and go."""
REMEMBERED: Final = 1 << 18
"""Clients whose endpoint is remembered at the same time."""
_FRONT: Final = (Field.L4PROTO, Field.DPORT)
_TYPES: Final = ("inet_proto", "inet_service")
_LOOPBACK: Final = {4: nft.Prefix("127.0.0.0", 8), 6: nft.Prefix("::1", 128)}
Elements = frozenset[tuple[nft.Key, nft.Verdict | nft.Key]]


class _Balance(msgspec.Struct, frozen=True, order=True):
    """One way to choose among `count` endpoints: a chain of its own."""

    lane: str
    count: int
    seconds: int
    outside: bool
    alone: str = ""
    """The front that has this way, its memory and its chain for itself: one with affinity and IPv6."""
    shares: int = 0
    """Of so many `count` have an endpoint, each of one that may have several; the others are lost."""

    @property
    def name(self) -> str:
        if self.shares:
            return f"lb-{self.count}-of-{self.shares}"
        words = ["lb", *([self.lane] if self.lane else []), *(["outside"] if self.outside else []), str(self.count)]
        words += [f"for-{self.seconds}s"] if self.seconds else []
        return "-".join([*words, *([self.alone] if self.alone else [])])

    @property
    def families(self) -> tuple[Family, ...]:
        """Those that may come here: with affinity one, whose maps are meant."""
        if not self.seconds:
            return FAMILIES
        return (V6,) if self.alone else (V4,)

    @property
    def memory(self) -> tuple[tuple[Field, ...], str]:
        """Fields and name of the map that remembers clients.

        libnftables 1.0.6 aborts where what it writes into a map has a key wider than one IPv6 address.
        """
        if self.alone:
            return (V6.saddr,), f"affinity6-{self.alone}"
        return (V4.saddr, *_fields(V4, Lane(self.lane))), _name("affinity", Lane(self.lane), V4)


class _Part(msgspec.Struct, frozen=True):
    """What some Services come to: their ways, what they put into sets and maps, and where they are dialled."""

    ways: frozenset[_Balance]
    containers: tuple[nft.Set | nft.Map, ...]
    keys: tuple[tuple[str, nft.Key], ...]


def service_state(view: NodeView) -> nft.Ruleset:
    """The chains, sets and maps of Service load balancing.

    Each Service is compiled by itself, and again only when it or its endpoints changed; then all are put together.
    Where two claim one address and port, which of them has it is seen in the whole alone.
    """
    pairs = ((view.services[name], view.endpoints.get(name)) for name in sorted(view.services))
    parts = _one_by_one(view.node, view.config)(pairs)
    keys = [key for part in parts for key in part.keys]
    if len(keys) > len(frozenset(keys)):
        parts = (_part(view),)
    containers = _together((*_EMPTY.containers, *(c for part in parts for c in part.containers)))
    chains = [_chain(way) for way in sorted(frozenset[_Balance]().union(*(part.ways for part in parts)))]
    # Chains of type nat see the first packet of a connection only, and none that a chain before them has translated.
    for hook in ("prerouting", "output"):
        # After translation: what still has the address of a Service is a port that is not served.
        refuse = nft.Hook(type="nat", hook=hook, priority=-90)
        chains.append(nft.Chain(name=f"refuse-{hook}", rules=(*_to_pods(), *_refusals()), base=refuse))
        translate = nft.Hook(type="nat", hook=hook, priority=-100)
        nobodys = not_translated(view.config.network)
        rules = (*_to_pods(), *nobodys, *source_rules(), *_dispatch(outside=hook == "prerouting"))
        chains.append(nft.Chain(name=f"service-{hook}", rules=rules, base=translate))
    sets = (*(c for c in containers if isinstance(c, nft.Set)), *between_sets(view))
    return nft.ruleset(chains=tuple(chains), sets=sets, maps=tuple(c for c in containers if isinstance(c, nft.Map)))


@same_as_before
def _one_by_one(
    node: Node, config: MeshConfig
) -> Callable[[Iterable[tuple[Service, Endpoints | None]]], tuple[_Part, ...]]:
    """The compiler of single Services for one node."""

    def alone(service: Service, endpoints: Endpoints | None) -> _Part:
        name = f"{service.namespace}/{service.name}"
        behind = {} if endpoints is None else {name: endpoints}
        part = _part(NodeView(node=node, config=config, services={name: service}, endpoints=behind))
        used = tuple(c for c in part.containers if c.elements or (isinstance(c, nft.Map) and c.dynamic))
        return _Part(_shared(part.ways), used, part.keys)

    return pairs_as_before(alone)


@lru_cache(maxsize=1024)
def _shared(ways: frozenset[_Balance]) -> frozenset[_Balance]:
    """The first of equal ones: most Services have the same."""
    return ways


def _part(view: NodeView) -> _Part:
    containers: list[nft.Set | nft.Map] = []
    ways: set[_Balance] = set()
    keys: list[tuple[str, nft.Key]] = []
    for family in FAMILIES:
        found = list(fronts(view, family))
        for lane in Lane:
            mine = [f for f in found if f.lane is lane]
            keys += [(f"{lane.value}{family.version}", f.key) for f in mine]
            ways |= {way for front in mine for way, _ in _ways(front)}
            containers += _maps(family, lane, mine)
            refused = frozenset(f.key for f in mine if f.refused)
            containers.append(nft.Set(name=_name("refused", lane, family), type=_type(family, lane), elements=refused))
        containers += source_sets(view, family, found)
        addresses = frozenset((a,) for a in owned(view, family))
        containers.append(nft.Set(name=f"vips{family.version}", type=(family.type,), elements=addresses))
    return _Part(frozenset(ways), tuple(containers), tuple(keys))


def _together(containers: Iterable[nft.Set | nft.Map]) -> list[nft.Set | nft.Map]:
    """One of each name, with what all of that name hold."""
    named: dict[str, list[nft.Set | nft.Map]] = {}
    for container in containers:
        named.setdefault(container.name, []).append(container)
    return [
        some[0]
        if len(some) == 1
        else msgspec.structs.replace(some[0], elements=frozenset[Any]().union(*(c.elements for c in some)))
        for some in named.values()
    ]


@cache  # thousands of Services share these
def _name(what: str, lane: Lane, family: Family) -> str:
    return f"{what}{'-' if lane.value else ''}{lane.value}{family.version}"


@cache
def _type(family: Family, lane: Lane) -> tuple[str, ...]:
    return (family.type, *_TYPES) if lane is Lane.ADDRESS else _TYPES


def _fields(family: Family, lane: Lane) -> tuple[Field, ...]:
    return (family.daddr, *_FRONT) if lane is Lane.ADDRESS else _FRONT


def _ways(front: Front) -> Iterator[tuple[_Balance, tuple[Target, ...]]]:
    if front.shares:
        yield _Balance(front.lane.value, len(front.targets), 0, False, shares=front.shares), front.targets
        return
    for outside, targets in ((False, front.targets), (True, front.outside or ())):
        if targets:
            alone = ""
            if front.affinity_seconds and ":" in targets[0][0]:
                alone = digest(f"{front.lane.value}/{front.key}", 10)
            yield _Balance(front.lane.value, len(targets), front.affinity_seconds, outside, alone), targets


def _maps(family: Family, lane: Lane, found: list[Front]) -> Iterator[nft.Map]:
    keys = _type(family, lane)
    service: dict[nft.Key, nft.Verdict | nft.Key] = {}
    outside: dict[nft.Key, nft.Verdict | nft.Key] = {}
    backend: dict[nft.Key, nft.Verdict | nft.Key] = {}
    pick: dict[nft.Key, nft.Verdict | nft.Key] = {}
    for front in found:
        # Endpoints there are, but none that this source may have: dropped, not refused, as kube-proxy does.
        if not front.targets and not front.refused:
            service[front.key] = nft.Drop()
        if front.outside == () and not front.refused:
            outside[front.key] = nft.Drop()
        for way, targets in _ways(front):
            (outside if way.outside else service)[front.key] = nft.Goto(way.name)
            numbers = stable_numbers(targets) if way.seconds else {}
            for i, target in enumerate(targets):
                drawn = i + OUTSIDE * way.outside
                if numbers:
                    pick[*front.key, drawn] = (numbers[target],)
                backend[*front.key, numbers.get(target, drawn)] = target
    yield nft.Map(name=_name("service", lane, family), type=keys, elements=frozenset(service.items()))
    yield nft.Map(name=_name("outside", lane, family), type=keys, elements=frozenset(outside.items()))
    yield nft.Map(
        name=_name("backend", lane, family),
        type=(*keys, "mark"),
        data=(family.type, "inet_service"),
        elements=frozenset(backend.items()),
    )
    picks = frozenset(pick.items())
    yield nft.Map(name=_name("pick", lane, family), type=(*keys, "mark"), data=("mark",), elements=picks)
    if family is V4:
        name = _name("affinity", lane, family)
        yield nft.Map(name=name, type=(family.type, *keys), data=("mark",), dynamic=REMEMBERED)
    for name in sorted({way.memory[1] for front in found for way, _ in _ways(front) if way.alone}):
        yield nft.Map(name=name, type=(family.type,), data=("mark",), dynamic=REMEMBERED)


def stable_numbers(targets: Iterable[Target]) -> dict[Target, int]:
    """A number for each endpoint that depends on the endpoint; two that would share one (hardly ever) are set apart."""
    found: dict[Target, int] = {}
    for target in sorted(targets):
        number = int(digest(f"{target[0]}/{target[1]}", 8), 16) % STABLE + STABLE
        while number in found.values():
            number = STABLE + (number + 1) % STABLE
        found[target] = number
    return found


def _chain(way: _Balance) -> nft.Chain:
    rules: list[nft.Rule] = []
    lane = Lane(way.lane)
    draw = nft.RandomMark(Field.CT_MARK, way.shares or way.count, OUTSIDE if way.outside else 0)
    if way.seconds:
        rules += [nft.Rule(match=_only(f, lane), then=_again(f, way)) for f in way.families]
    rules.append(nft.Rule(then=(draw,)))
    if way.shares:
        rules += _told(way)
    for family in way.families:
        keep = _keep(family, way) if way.seconds else ()
        rules += [nft.Rule(match=_only(family, lane), then=(s,)) for s in (*keep, _send(family, lane))]
    return nft.Chain(name=way.name, rules=tuple(rules))


def _told(way: _Balance) -> Iterator[nft.Rule]:
    """What is lost, and what goes on: of both the first packet is logged."""
    lost = (nft.Is(Field.CT_MARK, nft.Range(way.count, way.shares - 1)),)
    if way.count < way.shares:
        yield nft.Rule(match=lost, then=(LOG_LIMIT, nft.Log(names.LOST_DATAGRAMS)))
        yield nft.Rule(match=lost, then=(nft.Drop(),))
    yield nft.Rule(then=(LOG_LIMIT, nft.Log(names.DATAGRAMS)))


def _only(family: Family, lane: Lane) -> tuple[nft.Match, ...]:
    """Where no address is looked up, nothing else says which family's map is meant."""
    return (nft.Is(Field.NFPROTO, family.nfproto),) if lane is Lane.NODE else ()


def _send(family: Family, lane: Lane) -> nft.DnatMap:
    return nft.DnatMap(family.word, (*_fields(family, lane), Field.CT_MARK), _name("backend", lane, family))


def _again(family: Family, way: _Balance) -> tuple[nft.Statement, ...]:
    """The endpoint of last time, with new time; one that is gone has no entry in the backend map."""
    client, name = way.memory
    return (
        nft.LookupMark(Field.CT_MARK, client, name),
        nft.Remember(client, Field.CT_MARK, name, way.seconds),
        _send(family, Lane(way.lane)),
    )


def _keep(family: Family, way: _Balance) -> tuple[nft.Statement, ...]:
    """The kernel does not change the value of an entry that is there: the old one is taken out first."""
    lane = Lane(way.lane)
    client, name = way.memory
    return (
        nft.LookupMark(Field.CT_MARK, (*_fields(family, lane), Field.CT_MARK), _name("pick", lane, family)),
        nft.Forget(client, Field.CT_MARK, name),
        nft.Remember(client, Field.CT_MARK, name, way.seconds),
    )


def _on_node(family: Family) -> tuple[nft.Match, ...]:
    """The node's own addresses. Not loopback (the answer would come from outside to 127.0.0.1), nor a Service's."""
    return (
        nft.Is(Field.FIB_DADDR_TYPE, "local"),
        nft.Is(family.daddr, _LOOPBACK[family.version], negate=True),
        nft.InSet((family.daddr,), f"vips{family.version}", negate=True),
    )


def _dispatch(*, outside: bool) -> Iterator[nft.Rule]:
    """`outside`: in this hook sources outside the cluster are met; what the node itself sends is inside."""
    for lane in Lane:
        for f in FAMILIES:
            where = _on_node(f) if lane is Lane.NODE else ()
            fields = _fields(f, lane)
            if outside:
                foreign = nft.InSet((f.saddr,), f"cluster{f.version}", negate=True)
                to = nft.Dispatch(fields, _name("outside", lane, f))
                yield nft.Rule(match=(*where, foreign), then=(to,))
            yield nft.Rule(match=where, then=(nft.Dispatch(fields, _name("service", lane, f)),))


def _to_pods() -> Iterator[nft.Rule]:
    """No Service has the address of a pod: the usual connection between pods passes with one look."""
    for f in FAMILIES:
        yield nft.Rule(match=(nft.InSet((f.daddr,), f"pods{f.version}"),), then=(nft.Accept(),), comment="to a pod")


def _refusals() -> Iterator[nft.Rule]:
    """New connections only: established ones keep what they have."""
    for f in FAMILIES:
        refused = nft.InSet(_fields(f, Lane.ADDRESS), _name("refused", Lane.ADDRESS, f))
        node = nft.InSet(_fields(f, Lane.NODE), _name("refused", Lane.NODE, f))
        unknown = nft.InSet((f.daddr,), f"vips{f.version}")
        for match in ((refused,), (*_on_node(f), node), (unknown,)):
            yield nft.Rule(match=(nft.Is(Field.L4PROTO, "tcp"), *match), then=(nft.Reject(tcp_reset=True),))
            # Of an address as a whole only what has ports: it may still be pinged.
            rest = (nft.OneOf(Field.L4PROTO, ("udp", "sctp")),) if unknown in match else ()
            yield nft.Rule(match=(*rest, *match), then=(nft.Reject(),))


_EMPTY: Final = _part(
    NodeView(
        node=Node(name=NodeName(""), addresses=(), pod_cidrs=()),
        config=MeshConfig(trust_domain="", cluster_domain="", dns_addresses=(), service_cidrs=()),
    )
)
"""The sets and maps that there are without any Service."""
