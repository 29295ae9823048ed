"""tandem.io: the object that says how the nodes of this cluster are connected. There is one, named `default`."""

from __future__ import annotations

from tandem.model.meta import Model, Object, Status


class VxlanSpec(Model, frozen=True, kw_only=True):
    """spec.vxlan."""

    vni: int = 116
    port: int = 4789


class NetworkSpec(Model, frozen=True, kw_only=True):
    """spec."""

    fabric: str = "routed"
    mtu: int = 0
    vxlan: VxlanSpec = VxlanSpec()


class Network(Object, frozen=True, kw_only=True):
    """tandem.io Network; cluster-scoped."""

    spec: NetworkSpec = NetworkSpec()
    status: Status = Status()
