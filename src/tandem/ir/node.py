"""What one node enforces: the slice of IR it was sent, joined with what only the node knows (addresses, namespaces)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tandem.base.addresses import FAMILIES, UNSPECIFIED, family
from tandem.base.ids import ContainerId, GroupId, PolicySetId
from tandem.base.members import chosen_as_before
from tandem.base.memo import same_as_before
from tandem.ir.fabric import Endpoints, LocalPod, MeshConfig, Node, Service
from tandem.ir.gateway import Gateway
from tandem.ir.mesh import RouteTable
from tandem.ir.names import Names
from tandem.ir.policy import AddressGroup, PolicySet
from tandem.ir.traffic import TrafficPolicy


class PortMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A port of the node that leads to a pod.

    `host_ip` empty: every address of the node, 127.0.0.1 among them; `0.0.0.0` and `::`: every one of that family.
    """

    host_port: int
    container_port: int
    protocol: str = "tcp"
    """tcp, udp or sctp."""
    host_ip: str = ""

    def overlaps(self, other: PortMapping) -> bool:
        """True if one packet could be meant for both."""
        same = (self.host_port, self.protocol) == (other.host_port, other.protocol)
        meet = any(version in other.versions for version in self.versions)
        return same and meet and (self.is_general or other.is_general or self.host_ip == other.host_ip)

    @property
    def versions(self) -> tuple[int, ...]:
        """The families that it is for."""
        return (family(self.host_ip),) if self.host_ip else FAMILIES

    @property
    def is_general(self) -> bool:
        """True unless it is for one address of the node."""
        return not self.host_ip or self.host_ip in UNSPECIFIED.values()


class ForeignLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that another CNI plugin made, and behind which Tandem is chained."""

    ifname: str
    """Its name inside the pod."""
    node_addresses: tuple[str, ...] = ()
    """Addresses by which the node itself speaks to the pod: next hops of the pod that are the node's own."""
    guarded: bool = False
    """NetworkPolicy was asked for: it is enforced inside the pod's namespace."""


class AttachedPod(msgspec.Struct, frozen=True, kw_only=True):
    """A pod with a link on this node."""

    pod: LocalPod
    container_id: ContainerId
    addresses: tuple[str, ...]
    host_ifname: str
    """Empty for a foreign link."""
    netns: str
    """The agent's own pin (bind mount) of the pod's network namespace; unique per sandbox."""
    port_mappings: tuple[PortMapping, ...] = ()
    aliases: tuple[str, ...] = ()
    """`NAME.NETWORK`: what a runtime calls it within a network."""
    mac: str = ""
    segment: bool = False
    """Its link is a port of the node's bridge."""
    limited: bool = False
    """What it may receive is limited, by a queue at the host end of its link."""
    foreign: ForeignLink | None = None


Choice = Callable[[tuple[AttachedPod, ...]], tuple[AttachedPod, ...]]
"""The same tuple for as long as none of the pods that it names comes, goes or changes."""
meshed_pods: Final[Choice] = chosen_as_before(lambda attached: attached.pod.meshed)
foreign_pods: Final[Choice] = chosen_as_before(lambda attached: attached.foreign is not None)
bridged_pods: Final[Choice] = chosen_as_before(lambda attached: attached.segment)
aliased_pods: Final[Choice] = chosen_as_before(lambda attached: attached.aliases)
pods_with_ports: Final[Choice] = chosen_as_before(lambda attached: attached.port_mappings)


_NO_NAMES: Final[dict[str, tuple[str, ...]]] = {}
"""The very same in each view: what is compiled of a part is kept for as long as the part is."""
_NO_KEYS: Final[dict[str, str]] = {}
_NOT_CALLED: Final[dict[str, Names]] = {}


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """The input of every compiler that runs on a node. Keys are the resource names of `ir/wire.py`.

    The dictionaries are replaced and never edited: a part that is the same object as in an earlier view is unchanged.
    """

    node: Node
    config: MeshConfig
    nodes: dict[str, Node] = {}
    pods: tuple[AttachedPod, ...] = ()
    """Sorted by namespace, name and container."""
    sets: Mapping[PolicySetId, PolicySet] = {}
    groups: Mapping[GroupId, AddressGroup] = {}
    services: dict[str, Service] = {}
    endpoints: dict[str, Endpoints] = {}
    names: dict[str, Names] = msgspec.field(default_factory=lambda: _NOT_CALLED)
    """What runtimes call containers, by the node that has told it; of this node's own, `pods` knows sooner."""
    tables: dict[str, RouteTable] = {}
    policies: dict[str, TrafficPolicy] = {}
    gateways: dict[str, Gateway] = {}
    """Those that this node serves."""
    learned: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: _NO_NAMES)
    """Pattern of a `Domains` peer -> sorted addresses that names matching it have now, as this node's DNS says."""
    lapsed: dict[str, tuple[str, ...]] = msgspec.field(default_factory=lambda: _NO_NAMES)
    """The same of addresses that such names had before: connections to them may go on, none may begin."""
    keys: dict[str, str] = msgspec.field(default_factory=lambda: _NO_KEYS)
    """Key sets for tokens that this node has fetched, by `FetchedKeys.source`."""
    underlay_mtu: int = 1500
    """Of the interface by which this node reaches the others."""

    def standing_for(self, gateway: Gateway) -> Service | None:
        """The Service whose own addresses lead to the gateway too."""
        return self.services.get(f"{gateway.namespace}/{gateway.service}") if gateway.service else None

    def reached_at(self, gateway: Gateway) -> tuple[str, ...]:
        """Every address that leads to the gateway: its own, then those of the Service that stands for it."""
        service = self.standing_for(gateway)
        return (*gateway.addresses, *(service.cluster_ips if service is not None else ()))


WITH_PODS: Final = frozenset(
    {"pods", "sets", "groups", "tables", "policies", "gateways", "learned", "lapsed", "keys", "names"},
)
"""What may change when a pod comes or goes, or is about requests and what pods do."""
_REST: Final = tuple(name for name in NodeView.__struct_fields__ if name not in WITH_PODS)


def without_pods(view: NodeView) -> NodeView:
    """Nodes, Services and configuration alone: the very same view for as long as none of those changes.

    What is compiled of it need not be compiled for each pod.
    """
    return _without_pods(*(getattr(view, name) for name in _REST))


@same_as_before
def _without_pods(*rest: Any) -> NodeView:
    return NodeView(**dict(zip(_REST, rest, strict=True)))
