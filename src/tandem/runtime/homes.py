"""Which pods each node wires, kept up from Translation to Translation: what a node may have follows from its pods."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.base.ids import NodeName
from tandem.base.table import Table, changes
from tandem.ir.fabric import LocalPod
from tandem.translate.world import Translation


class Homes:
    """One per control."""

    def __init__(self) -> None:
        self._pods: Mapping[str, LocalPod] = Table()
        self._nodes: Mapping[str, NodeName] = Table()
        self._homes: dict[str, dict[str, LocalPod]] = {}

    def pods(self, translation: Translation, node: str) -> Mapping[str, LocalPod]:
        """The pods of a node by uid, at the cost of what differs from the Translation that was asked about before."""
        pods, nodes = self._pods, self._nodes
        self._pods, self._nodes = translation.pods, translation.pod_nodes
        moved = changes(nodes, self._nodes)
        for uid, (old, _) in moved.items():
            if old is not None:
                self._homes[old].pop(uid, None)
        for uid in changes(pods, self._pods).keys() | moved.keys():
            if uid in self._pods:
                self._homes.setdefault(self._nodes[uid], {})[uid] = self._pods[uid]
        return self._homes.get(node, {})
