"""What was sent to which node, and what the node said of it: from this alone `Programmed` conditions are made.

In: publications, acknowledgements and refusals. Out: per object, whether every concerned node has it in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

ObjectKey = tuple[str, str, str]
"""(kind, namespace, name)."""
ResourceKey = tuple[str, str]
"""(type URL, resource name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One resource as it was last sent to a node, and the objects it was made from."""

    version: str
    objects: frozenset[ObjectKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Programmed:
    """Whether an object is in force on every node that it concerns; otherwise why not."""

    ok: bool
    message: str


@dataclass(slots=True)
class _Node:
    sent: Mapping[ResourceKey, Sent] = field(default_factory=dict)
    accepted: dict[ResourceKey, str] = field(default_factory=dict)
    refused: dict[ResourceKey, tuple[str, str]] = field(default_factory=dict)


IN_FORCE: Final = Programmed(ok=True, message="")


class Ledger:
    """The book of publications. `revision` grows with every entry, so that readers know when to look again."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._connected: set[str] = set()
        self.revision = 0

    def sent(self, node: str, resources: Mapping[ResourceKey, Sent]) -> None:
        """`resources` is now all that `node` should have."""
        entry = self._nodes.setdefault(node, _Node())
        entry.sent = resources
        entry.accepted = {k: v for k, v in entry.accepted.items() if k in resources}
        entry.refused = {k: v for k, v in entry.refused.items() if k in resources}
        self.revision += 1

    def forget(self, nodes: Iterable[str]) -> None:
        """These nodes are no longer in the cluster and hold nobody up."""
        for node in nodes:
            self._nodes.pop(node, None)
        self.revision += 1

    def connection(self, node: str, *, up: bool) -> None:
        """The node's agent came or went; it may come before its Node object does."""
        (self._connected.add if up else self._connected.discard)(node)
        self.revision += 1

    def accept(self, node: str, type_url: str, versions: Mapping[str, str]) -> None:
        """The node's kernel and proxy have these versions in force."""
        entry = self._nodes.setdefault(node, _Node())
        for name, version in versions.items():
            entry.accepted[type_url, name] = version
            entry.refused.pop((type_url, name), None)
        self.revision += 1

    def refuse(self, node: str, type_url: str, errors: Mapping[str, tuple[str, str]]) -> None:
        """The node could not put these (version, reason) in force."""
        entry = self._nodes.setdefault(node, _Node())
        for name, refusal in errors.items():
            entry.refused[type_url, name] = refusal
        self.revision += 1

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node that was sent something, sorted."""
        return tuple(sorted(self._nodes))

    def connected(self, node: str) -> bool:
        """True while the node's agent is connected."""
        return node in self._connected

    def settled(self, node: str, keys: Iterable[ResourceKey] | None = None) -> bool:
        """True if the node has accepted what it was last sent: of `keys`, or of everything."""
        entry = self._nodes.get(node, _Node())
        wanted = entry.sent if keys is None else [k for k in keys if k in entry.sent]
        return all(entry.accepted.get(k) == entry.sent[k].version for k in wanted)

    def versions(self, node: str) -> tuple[int, int, tuple[str, ...]]:
        """(resources sent, of these accepted, refusals as text), for `tandem status`."""
        entry = self._nodes.get(node, _Node())
        accepted = sum(entry.accepted.get(k) == s.version for k, s in entry.sent.items())
        refusals = tuple(
            f"{k[0].rpartition('.')[2]} {k[1]}: {text}"
            for k, (version, text) in sorted(entry.refused.items())
            if k in entry.sent and entry.sent[k].version == version
        )
        return len(entry.sent), accepted, refusals

    def programmed(self) -> dict[ObjectKey, Programmed]:
        """Every object that some sent resource was made from. An object that is absent here concerns no node."""
        verdicts: dict[ObjectKey, Programmed] = {}
        for node, entry in sorted(self._nodes.items()):
            for key, resource in entry.sent.items():
                found = _judge(node, entry, key, resource.version, connected=node in self._connected)
                for obj in resource.objects:
                    verdicts[obj] = min(verdicts.get(obj, IN_FORCE), found, key=_rank)
        return verdicts


def _rank(verdict: Programmed) -> int:
    """A refusal says more than a wait, a wait more than success."""
    return 2 if verdict.ok else 0 if verdict.message.startswith("refused") else 1


def _judge(node: str, entry: _Node, key: ResourceKey, version: str, *, connected: bool) -> Programmed:
    refusal = entry.refused.get(key)
    if refusal is not None and refusal[0] == version:
        return Programmed(ok=False, message=f"refused by node {node}: {refusal[1]}")
    if entry.accepted.get(key) == version:
        return IN_FORCE
    if not connected:
        return Programmed(ok=False, message=f"node {node} is not connected")
    return Programmed(ok=False, message=f"waiting for node {node}")
