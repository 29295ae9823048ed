"""What was sent to which node, and what the node said of it: from this alone `Programmed` conditions are made.

In: publications, acknowledgements and refusals. Out: per object, whether every concerned node has it in force. Each
entry costs what it is about: what is not in force is kept by object, and `taken` says of which objects that changed.

A resource that became another one is waited for by the objects whose part of it did, as compared with what the node
accepted last: a gateway is in force while a route of it is on its way, and a refused route is no fault of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from tandem.base.problems import ObjectKey, Origin
from tandem.base.table import Table, changes
from tandem.drivers.xds.messages import Encoded
from tandem.ir import wire
from tandem.ir.differences import differing
from tandem.ir.gateway import Gateway

ResourceKey = tuple[str, str]
"""(type URL, resource name)."""


@dataclass(frozen=True, slots=True)
class Sent(Encoded):
    """One resource as it is sent to nodes, and the objects it was made from."""

    objects: frozenset[ObjectKey] = frozenset()
    content: wire.Value | None = field(default=None, compare=False, repr=False)
    """What was encoded, where it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programmed:
    """Whether an object is in force on every node that it concerns; otherwise why not."""

    ok: bool
    message: str


Resources = Mapping[str, Table[str, Sent]]
"""By type URL and name."""


@dataclass(slots=True)
class _Node:
    sent: dict[str, Table[str, Sent]] = field(default_factory=dict)
    accepted: dict[ResourceKey, str] = field(default_factory=dict)
    refused: dict[ResourceKey, tuple[str, str]] = field(default_factory=dict)
    wanting: dict[str, set[str]] = field(default_factory=dict)
    """By type URL the names of what was sent and is not accepted as it was sent."""
    held: dict[ResourceKey, Sent] = field(default_factory=dict)
    """What was accepted last, where that is known."""
    later: dict[ResourceKey, dict[str, Sent]] = field(default_factory=dict)
    """By version what was sent since."""
    waiting: dict[ResourceKey, frozenset[ObjectKey]] = field(default_factory=dict)
    """The objects that are not in force because of it."""

    def add(self, key: ResourceKey, sent: Sent) -> None:
        """This was sent, and is not accepted yet."""
        versions = self.later.setdefault(key, {})
        versions.pop(sent.version, None)
        versions[sent.version] = sent
        if len(versions) > REMEMBERED:
            del versions[next(iter(versions))]

    def take(self, key: ResourceKey, version: str) -> None:
        """This version was accepted."""
        versions = self.later.get(key, {})
        if version in versions:
            self.held[key] = versions[version]
            sooner = list(versions)
            for one in sooner[: sooner.index(version) + 1]:
                del versions[one]
            if not versions:
                del self.later[key]
        elif key not in self.held or self.held[key].version != version:
            self.held.pop(key, None)

    def drop(self, key: ResourceKey) -> None:
        """It was taken back."""
        self.accepted.pop(key, None)
        self.refused.pop(key, None)
        self.held.pop(key, None)
        self.later.pop(key, None)

    def compare(self, key: ResourceKey) -> None:
        """Of this something was sent, taken back or accepted."""
        sent, wanting = self.resource(key), self.wanting.setdefault(key[0], set())
        if sent is None or self.accepted.get(key) == sent.version:
            wanting.discard(key[1])
        else:
            wanting.add(key[1])

    def resource(self, key: ResourceKey) -> Sent | None:
        """What was sent under a name."""
        return self.sent[key[0]].get(key[1]) if key[0] in self.sent else None

    def every(self) -> Iterable[ResourceKey]:
        """Everything that was sent."""
        return ((url, name) for url, named in self.sent.items() for name in named)


_GROWING: Final = wire.URLS[Gateway]
"""Of these it is known from the first on what nodes have; of others once several objects share one: each costs bytes
for each node."""
REMEMBERED: Final = 16
"""So many versions of a resource are known until the node has said something."""
IN_FORCE: Final = Programmed(ok=True, message="")


class Ledger:
    """The book of publications. `revision` grows with every entry, so that readers know when to look again."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._connected: set[str] = set()
        self._uses: Counter[ObjectKey] = Counter()
        self._wanting: dict[ObjectKey, dict[tuple[str, ResourceKey], Programmed]] = {}
        """What is not in force, by the objects that it was made from."""
        self._changed: set[ObjectKey] = set()
        self.revision = 0

    def sent(self, node: str, resources: Resources) -> None:
        """Of these types, this is now all that `node` should have."""
        entry = self._nodes.setdefault(node, _Node())
        for url, now in resources.items():
            before: Table[str, Sent] = entry.sent.get(url) or Table()
            entry.sent[url] = now
            for name, (old, new) in changes(before, now).items():
                key = url, name
                if new is None:
                    entry.drop(key)
                elif len(new.objects) > 1 or (new.objects and url == _GROWING):
                    entry.add(key, new)
                entry.compare(key)
                was, objects = old.objects if old else frozenset(), new.objects if new else frozenset()
                self._uses.subtract(was - objects)
                self._uses.update(objects - was)
                self._weigh(node, entry, key)
                self._changed |= was ^ objects
        self.revision += 1

    def forget(self, nodes: Iterable[str]) -> None:
        """These nodes are no longer in the cluster and hold nobody up."""
        for node in nodes:
            if node in self._nodes:
                self.sent(node, {url: Table() for url in self._nodes[node].sent})
                del self._nodes[node]
        self.revision += 1

    def connection(self, node: str, *, up: bool) -> None:
        """The node's agent came or went; it may come before its Node object does."""
        (self._connected.add if up else self._connected.discard)(node)
        entry = self._nodes.get(node, _Node())
        for key in entry.every():
            if key[1] in entry.wanting.get(key[0], ()):
                entry.held.pop(key, None)  # what it has may not be what it had
            self._weigh(node, entry, key)
        self.revision += 1

    def accept(self, node: str, type_url: str, versions: Mapping[str, str]) -> None:
        """The node's kernel and proxy have these versions in force."""
        entry = self._nodes.setdefault(node, _Node())
        for name, version in versions.items():
            entry.accepted[type_url, name] = version
            entry.refused.pop((type_url, name), None)
            entry.take((type_url, name), version)
            entry.compare((type_url, name))
            self._weigh(node, entry, (type_url, name))
        self.revision += 1

    def refuse(self, node: str, type_url: str, errors: Mapping[str, tuple[str, str]]) -> None:
        """The node could not put these (version, reason) in force."""
        entry = self._nodes.setdefault(node, _Node())
        for name, refusal in errors.items():
            entry.refused[type_url, name] = refusal
            self._weigh(node, entry, (type_url, name))
        self.revision += 1

    def made_from(self, node: str, key: ResourceKey) -> tuple[ObjectKey, ...]:
        """The objects behind a resource that the node was sent, sorted."""
        sent = self._nodes.get(node, _Node()).resource(key)
        return tuple(sorted(sent.objects)) if sent is not None else ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node that was sent something, sorted."""
        return tuple(sorted(self._nodes))

    def connected(self, node: str) -> bool:
        """True while the node's agent is connected."""
        return node in self._connected

    def settled(self, node: str, keys: Iterable[ResourceKey] | None = None) -> bool:
        """True if the node has accepted what it was last sent: of `keys`, or of everything."""
        wanting = self._nodes.get(node, _Node()).wanting
        if keys is None:
            return not any(wanting.values())
        return not any(name in wanting.get(type_url, ()) for type_url, name in keys)

    def has_all(self, node: str, type_url: str) -> bool:
        """True if the node has accepted whatever it was last sent of a type."""
        return node not in self._nodes or not self._nodes[node].wanting.get(type_url)

    def versions(self, node: str) -> tuple[int, int, tuple[str, ...]]:
        """(resources sent, of these accepted, refusals as text), for `tandem status`."""
        entry = self._nodes.get(node, _Node())
        sent = {(url, name): s.version for url, named in entry.sent.items() for name, s in named.items()}
        accepted = sum(entry.accepted.get(k) == version for k, version in sent.items())
        refusals = tuple(
            f"{k[0].rpartition('.')[2]} {k[1]}: {text}"
            for k, (version, text) in sorted(entry.refused.items())
            if sent.get(k) == version
        )
        return len(sent), accepted, refusals

    def verdict(self, obj: ObjectKey) -> Programmed | None:
        """Whether an object is in force everywhere; None: it concerns no node."""
        if self._uses[obj] <= 0:
            del self._uses[obj]
            return None
        wanting = self._wanting.get(obj)
        return min(wanting.items(), key=_rank)[1] if wanting else IN_FORCE

    def programmed(self) -> dict[ObjectKey, Programmed]:
        """Every object that some sent resource was made from. An object that is absent here concerns no node."""
        verdicts = {obj: self.verdict(obj) for obj in list(self._uses)}
        return {obj: verdict for obj, verdict in verdicts.items() if verdict is not None}

    def taken(self) -> set[ObjectKey]:
        """The objects whose verdict may have changed since this was last called."""
        changed, self._changed = self._changed, set()
        return changed

    def _weigh(self, node: str, entry: _Node, key: ResourceKey) -> None:
        sent = entry.resource(key)
        objects = sent.objects if sent is not None else frozenset[ObjectKey]()
        found = IN_FORCE
        if sent is not None and objects:
            found = _judge(node, entry, key, sent.version, connected=node in self._connected)
        held = entry.held.get(key)
        if found is IN_FORCE:
            objects = frozenset()
        elif sent is not None and held is not None:
            objects &= _others(held, sent)
        for obj in entry.waiting.pop(key, frozenset()) - objects:
            self._settle(obj, node, key, IN_FORCE)
        for obj in objects:
            self._settle(obj, node, key, found)
        if objects:
            entry.waiting[key] = objects

    def _settle(self, obj: ObjectKey, node: str, key: ResourceKey, found: Programmed) -> None:
        wanting = self._wanting.get(obj, {})
        if found is IN_FORCE:
            if wanting.pop((node, key), None) is not None:
                self._changed.add(obj)
                if not wanting:
                    del self._wanting[obj]
            return
        wanting = self._wanting.setdefault(obj, wanting)
        if wanting.get((node, key)) != found:
            wanting[node, key] = found
            self._changed.add(obj)


def keys_of(origins: Iterable[Origin]) -> frozenset[ObjectKey]:
    """The objects that these name."""
    return frozenset((origin.kind, origin.namespace, origin.name) for origin in origins)


@lru_cache(maxsize=16)
def _others(held: Sent, sent: Sent) -> frozenset[ObjectKey]:
    """The objects whose part of a resource is not the one that is held."""
    if held.content is None or sent.content is None:
        return sent.objects
    return keys_of(differing(held.content, sent.content)) | (sent.objects - held.objects)


def _rank(entry: tuple[tuple[str, ResourceKey], Programmed]) -> tuple[bool, tuple[str, ResourceKey]]:
    """A refusal says more than a wait."""
    return not entry[1].message.startswith("refused"), entry[0]


def _judge(node: str, entry: _Node, key: ResourceKey, version: str, *, connected: bool) -> Programmed:
    refusal = entry.refused.get(key)
    if refusal is not None and refusal[0] == version:
        return Programmed(ok=False, message=f"refused by node {node}: {refusal[1]}")
    if entry.accepted.get(key) == version:
        return IN_FORCE
    if not connected:
        return Programmed(ok=False, message=f"node {node} is not connected")
    return Programmed(ok=False, message=f"waiting for node {node}")
