"""What was sent to which node, and what the node said of it: from this alone `Programmed` conditions are made.

In: publications, acknowledgements and refusals. Out: per object, whether every concerned node has it in force. Each
entry costs what it is about: what is not in force is kept by object, and `taken` says of which objects that changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tandem.base.problems import ObjectKey
from tandem.base.table import Table, changes
from tandem.drivers.xds.messages import Encoded

ResourceKey = tuple[str, str]
"""(type URL, resource name)."""


@dataclass(frozen=True, slots=True)
class Sent(Encoded):
    """One resource as it is sent to nodes, and the objects it was made from."""

    objects: frozenset[ObjectKey] = frozenset()


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
                    entry.accepted.pop(key, None)
                    entry.refused.pop(key, None)
                entry.compare(key)
                was, objects = old.objects if old else frozenset(), new.objects if new else frozenset()
                self._uses.subtract(was - objects)
                self._uses.update(objects - was)
                for obj in was - objects:
                    self._settle(obj, node, key, IN_FORCE)
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
            self._weigh(node, entry, key)
        self.revision += 1

    def accept(self, node: str, type_url: str, versions: Mapping[str, str]) -> None:
        """The node's kernel and proxy have these versions in force."""
        entry = self._nodes.setdefault(node, _Node())
        for name, version in versions.items():
            entry.accepted[type_url, name] = version
            entry.refused.pop((type_url, name), None)
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
        if sent is not None and sent.objects:
            found = _judge(node, entry, key, sent.version, connected=node in self._connected)
            for obj in sent.objects:
                self._settle(obj, node, key, found)

    def _settle(self, obj: ObjectKey, node: str, key: ResourceKey, found: Programmed) -> None:
        wanting = self._wanting.setdefault(obj, {})
        if found is IN_FORCE:
            if wanting.pop((node, key), None) is not None:
                self._changed.add(obj)
            if not wanting:
                del self._wanting[obj]
        elif wanting.get((node, key)) != found:
            wanting[node, key] = found
            self._changed.add(obj)


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
