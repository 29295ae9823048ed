"""The slice of IR that control sent to this node, and which messages still wait for their acknowledgement.

In: updates of the delta-ADS client. Out: `NodeView`s, and per update whether it may be acknowledged. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from tandem.base.cell import Cell
from tandem.base.table import Table
from tandem.compile.fabric import BY_NAME
from tandem.drivers.xds.client_session import Update
from tandem.ir import wire
from tandem.ir.fabric import Endpoints, LocalPod, MeshConfig, Node, Service
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import RouteTable
from tandem.ir.names import Names
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.pieces import Joined
from tandem.ir.policy import AddressGroup, PolicySet
from tandem.ir.traffic import TrafficPolicy

_GROUPS: Final = wire.URLS[AddressGroup]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An update that was taken into view number `view` and is not answered yet."""

    type_url: str
    nonce: str
    values: Mapping[str, wire.Value]
    broken: Mapping[str, str] = field(default_factory=dict)
    """Resources that could not be decoded: name -> why."""
    view: int


class Slice:
    """What this node was told. `number` grows with each update, so that a view can be told from a newer one."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._values: dict[str, Any] = {url: {} for url in wire.TYPES}
        # Of these there are thousands, and what is compiled of them asks what differs.
        self._values |= {wire.URLS[cls]: Table() for cls in (PolicySet, LocalPod)}
        self._joined = Joined()
        self._values[_GROUPS] = self._joined.groups
        self._pending: list[Pending] = []
        self.number = 0
        self.underlay_mtu = 1500
        self.revision: Cell[int] = Cell(0)
        """Grows with each update, and with nothing else."""

    def take(self, update: Update) -> None:
        """Put an update in force for the next view."""
        self.number += 1
        self.revision.put(self.revision.value + 1)
        held = self._values[update.type_url]
        values: dict[str, wire.Value] = {}
        broken: dict[str, str] = {}
        for name, (_, data) in update.resources.items():
            try:
                value = wire.decode(update.type_url, data)
            except msgspec.DecodeError as err:
                broken[name] = f"this agent cannot read it: {err}"
                continue
            if isinstance(value, MeshConfig) and value.network.fabric not in BY_NAME:
                broken[name] = f"this agent has no fabric {value.network.fabric!r}, only {', '.join(BY_NAME)}"
            else:
                values[name] = value
        if values or update.removed:
            # Replaced, not edited: views hold it, and what is compiled of it is kept for as long as it is the same.
            gone = frozenset(update.removed)
            if update.type_url == _GROUPS:
                self._joined.take(values, gone)  # type: ignore[arg-type]
                self._values[update.type_url] = self._joined.groups
            elif isinstance(held, Table):
                self._values[update.type_url] = held.changed(values, gone)
            else:
                kept = {**held, **values}
                self._values[update.type_url] = {name: value for name, value in kept.items() if name not in gone}
        self._pending.append(
            Pending(type_url=update.type_url, nonce=update.nonce, values=values, broken=broken, view=self.number)
        )

    def due(self, view: int) -> list[Pending]:
        """Updates that are part of view number `view`; each is returned once."""
        ready = [p for p in self._pending if p.view <= view]
        self._pending = [p for p in self._pending if p.view > view]
        return ready

    @property
    def by_uid(self) -> Mapping[str, LocalPod]:
        """Every pod that control bound to this node, by uid."""
        return self._of(LocalPod)

    def pod(self, uid: str) -> LocalPod | None:
        """A pod that control bound to this node."""
        return self._of(LocalPod).get(uid)

    def pod_named(self, namespace: str, name: str) -> LocalPod | None:
        """The same by name, for runtimes that do not send the uid."""
        found = [p for p in self._of(LocalPod).values() if (p.namespace, p.name) == (namespace, name)]
        return found[0] if len(found) == 1 else None

    @property
    def node(self) -> Node | None:
        """This node, once control knows it and gave it a pod prefix."""
        node = self._of(Node).get(self._node)
        return node if node is not None and node.pod_cidrs else None

    @property
    def config(self) -> MeshConfig | None:
        """What control says of the whole mesh."""
        return self._of(MeshConfig).get("mesh")

    def view(self, pods: tuple[AttachedPod, ...]) -> NodeView | None:
        """Everything that this node enforces now; None until node and mesh configuration are known.

        `pods`: sorted, as `Attached` has them.
        """
        node, config = self.node, self.config
        if node is None or config is None:
            return None
        return NodeView(
            node=node,
            config=config,
            nodes=self._of(Node),
            pods=pods,
            sets=self._of(PolicySet),
            groups=self._of(AddressGroup),
            services=self._of(Service),
            endpoints=self._of(Endpoints),
            names=self._of(Names),
            tables=self._of(RouteTable),
            policies=self._of(TrafficPolicy),
            gateways=self._of(Gateway),
            underlay_mtu=self.underlay_mtu,
        )

    def _of(self, cls: type) -> dict[Any, Any]:
        found: dict[Any, Any] = self._values[wire.URLS[cls]]
        return found
