"""What each node is sent, kept up from Translation to Translation at the cost of what changed.

In: Translations. Out: per node the types of which something is another one now, complete and encoded; all of it equals
`slice_for` (translate/slices.py), large groups in pieces (ir/pieces.py). A value is encoded once for all nodes, and
again only when it changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tandem.base.table import Table, changes
from tandem.ir import wire
from tandem.ir.fabric import LocalPod
from tandem.ir.pieces import cut, recut
from tandem.ir.policy import AddressGroup, PolicySet
from tandem.runtime.ledger import Resources, Sent, keys_of
from tandem.translate.slices import EDGE, MESH, SHARED, referred, serving, values_of
from tandem.translate.world import Translation

PODS: Final = wire.URLS[LocalPod]
SETS: Final = wire.URLS[PolicySet]
GROUPS: Final = wire.URLS[AddressGroup]
OWN: Final = (GROUPS, SETS, PODS)
"""Types of which a node is sent what its own pods need."""
COMMON: Final = tuple(dict.fromkeys((*SHARED, *MESH, *EDGE)))
"""Types of which all nodes that are sent any are sent the same."""
Key = tuple[str, str]
"""(type URL, resource name)."""


class _Node:
    """What one node is sent beside what all are."""

    def __init__(self) -> None:
        self.counts: Counter[Key] = Counter()
        self.meshed = 0
        self.own: dict[str, Table[str, Sent]] = {url: Table() for url in OWN}
        self.pieces: dict[str, Mapping[str, Sent]] = {}
        """Of each group."""
        self.touched: set[Key] = set()
        self.sent: dict[str, Table[str, Sent]] = {}


class _Group:
    """One that some node has, as it is sent."""

    def __init__(self, group: AddressGroup) -> None:
        self._group, self._pieces = group, cut(group)
        self.sent: Mapping[str, Sent] = {name: _sent(name, piece) for name, piece in self._pieces.items()}
        """By resource name; replaced and never edited."""
        self._before: Mapping[str, Sent] = {}
        self._news = self.sent

    def become(self, group: AddressGroup) -> None:
        """It is this, now."""
        if group is self._group:
            return
        before, self._pieces = self._pieces, recut(self._group, self._pieces, group)
        self._group, self._before = group, self.sent
        other = {name: piece for name, piece in self._pieces.items() if before.get(name) != piece}
        self._news = {name: _sent(name, piece) for name, piece in other.items()}
        kept = self.sent if before.keys() == self._pieces.keys() else {}
        self.sent = {**kept, **self._news}

    def news(self, known: Mapping[str, Sent]) -> Mapping[str, Sent]:
        """What of it is not as in `known`, which was `sent` once: mostly before the newest change."""
        return self._news if known is self._before else self.sent


class Publisher:
    """One per control."""

    def __init__(self) -> None:
        self._values: Mapping[str, Mapping[str, wire.Value]] = {url: Table() for url in wire.TYPES}
        self._where: Mapping[str, str] = Table()
        self._shared: dict[str, Table[str, Sent]] = {url: Table() for url in COMMON}
        self._serving: frozenset[str] = frozenset()
        self._nodes: dict[str, _Node] = {}
        self._told: set[str] = set()
        self._touched: set[str] = set()
        self._holders: dict[Key, set[str]] = {}
        self._needs: dict[str, tuple[Key, ...]] = {}
        """Policy set -> what it refers to."""
        self._groups: dict[str, _Group] = {}
        self._encoded: dict[Key, tuple[wire.Value, Sent]] = {}

    def update(self, translation: Translation, nodes: Iterable[str]) -> Iterator[tuple[str, Resources]]:
        """Node by node, of `nodes`, the types that changed for it; for a node that is new, every type.

        What a node is sent is made when it is asked for, so that the first one's can leave before that of the others is
        made. To be taken to its end before the next Translation comes.
        """
        before, self._values = self._values, values_of(translation)
        self._serving = serving(translation)
        shared = [self._share(url, changes(before[url], self._values[url])) for url in COMMON]
        self._place(before[PODS], translation)
        for url in (GROUPS, SETS):
            for name, (old, new) in changes(before[url], self._values[url]).items():
                for node in self._holders.get((url, name), ()) if old is not None and new is not None else ():
                    self._touch(node, (url, name))
        known = self._told - self._touched
        return self._each([name for name in nodes if any(shared) or name not in known])

    def _each(self, nodes: Iterable[str]) -> Iterator[tuple[str, Resources]]:
        for name in nodes:
            news = self._news(name)
            self._touched.discard(name)
            self._told.add(name)
            if news:
                yield name, news

    def forget(self, name: str) -> None:
        """The node is gone: should it come back, it is a new one."""
        self._told.discard(name)
        if name in self._nodes:
            self._nodes[name].sent = {}

    def _node(self, name: str) -> _Node:
        found = self._nodes.get(name)
        if found is None:
            found = self._nodes[name] = _Node()
        return found

    def _touch(self, name: str, key: Key) -> None:
        self._nodes[name].touched.add(key)
        self._touched.add(name)

    def _share(self, url: str, changed: Mapping[str, tuple[wire.Value | None, wire.Value | None]]) -> bool:
        """True if what nodes share is another one now."""
        before = self._shared[url]
        put: dict[str, Sent] = {}
        for name, (_, value) in changed.items():
            if value is not None:
                put[name] = self._encode((url, name), value)
            else:
                self._encoded.pop((url, name), None)
        self._shared[url] = before.changed(put, changed.keys() - put.keys())
        return self._shared[url] is not before

    def _place(self, before: Mapping[str, wire.Value], translation: Translation) -> None:
        """Pods that are others, or elsewhere: what their nodes need for them."""
        where, self._where = self._where, translation.pod_nodes
        pods: Mapping[str, wire.Value] = translation.pods
        for uid in changes(before, pods).keys() | changes(where, self._where).keys():
            old, new = before.get(uid), pods.get(uid)
            if isinstance(new, LocalPod):
                self._need(self._where[uid], new, 1)
            if isinstance(old, LocalPod):
                self._need(where[uid], old, -1)

    def _need(self, name: str, pod: LocalPod, step: int) -> None:
        node = self._node(name)
        node.meshed += step * pod.meshed
        self._count(name, node, (PODS, pod.uid), step)
        self._touch(name, (PODS, pod.uid))
        for policy_set in (pod.ingress, pod.egress):
            if policy_set is not None:
                self._count(name, node, (SETS, policy_set), step)

    def _count(self, name: str, node: _Node, key: Key, step: int) -> None:
        """One user more or less of a resource on a node; the first and the last count for what it refers to."""
        node.counts[key] += step
        left = node.counts[key]
        if left == (1 if step > 0 else 0):
            self._touch(name, key)
            holders = self._holders.setdefault(key, set())
            (holders.add if left else holders.discard)(name)
            if key[0] == SETS:
                for other in self._referred(key[1]):
                    self._count(name, node, other, step)
            if not left:
                del node.counts[key]
            if not holders:
                del self._holders[key]
                self._encoded.pop(key, None)
                self._needs.pop(key[1], None)
                if key[0] == GROUPS:
                    self._groups.pop(key[1], None)

    def _referred(self, name: str) -> tuple[Key, ...]:
        found = self._needs.get(name)
        if found is None:
            policy_set = self._values[SETS][name]
            assert isinstance(policy_set, PolicySet)  # noqa: S101 - of this type are all of that name
            sets, groups = referred(policy_set)
            found = self._needs[name] = (*((SETS, s) for s in sets), *((GROUPS, g) for g in groups))
        return found

    def _news(self, name: str) -> Resources:
        node = self._node(name)
        touched: dict[str, list[str]] = {}
        for url, resource in node.touched:
            touched.setdefault(url, []).append(resource)
        node.touched = set()
        groups = touched.pop(GROUPS, ())
        for url, names in touched.items():
            put = {n: self._encode((url, n), self._values[url][n]) for n in names if (url, n) in node.counts}
            node.own[url] = node.own[url].changed(put, names if len(put) < len(names) else ())
        for group in groups:
            node.own[GROUPS] = self._regroup(node, group)
        wanted = node.own | {url: self._shared_by(url, name, node) for url in COMMON}
        news = {url: table for url, table in wanted.items() if node.sent.get(url) is not table}
        node.sent = wanted
        return news

    def _regroup(self, node: _Node, name: str) -> Table[str, Sent]:
        """The pieces of the node's groups, after this group has become another one, or is there no more."""
        known = node.pieces.pop(name, {})
        if (GROUPS, name) not in node.counts:
            return node.own[GROUPS].changed({}, known)
        group = self._group(name)
        node.pieces[name] = group.sent
        gone = () if len(known) == len(group.sent) else known.keys() - group.sent.keys()
        return node.own[GROUPS].changed(group.news(known), gone)

    def _group(self, name: str) -> _Group:
        value = self._values[GROUPS][name]
        assert isinstance(value, AddressGroup)  # noqa: S101 - of this type are all of that name
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(value)
        group.become(value)
        return group

    def _shared_by(self, url: str, name: str, node: _Node) -> Table[str, Sent]:
        meant = url in SHARED or (url in MESH and node.meshed) or (url in EDGE and name in self._serving)
        return self._shared[url] if meant else _NOTHING

    def _encode(self, key: Key, value: wire.Value) -> Sent:
        before = self._encoded.get(key)
        if before is not None and (before[0] is value or before[0] == value):
            return before[1]
        sent = _sent(key[1], value)
        self._encoded[key] = value, sent
        return sent


def _sent(name: str, value: wire.Value) -> Sent:
    data = wire.encode(value)
    objects = keys_of(wire.origins(value))
    return Sent(name, wire.version(data), data, objects, value)


_NOTHING: Final[Table[str, Sent]] = Table()
