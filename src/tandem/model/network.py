"""tandem.io: the object that says how the nodes of this cluster are connected. There is one, named `default`."""

from __future__ import annotations

from tandem.model.meta import Model, Object, Status


class VxlanSpec(Model, frozen=True, kw_only=True):
    """spec.vxlan."""

    vni: int = 116
    port: int = 4789


class PasswordRef(Model, frozen=True, kw_only=True):
    """spec.bgp.peers[].passwordSecretRef."""

    namespace: str = ""
    name: str = ""
    key: str = "password"


class BgpPeerSpec(Model, frozen=True, kw_only=True):
    """spec.bgp.peers[]."""

    address: str = ""
    as_number: int = 0
    port: int = 179
    node_selector: dict[str, str] = {}
    password_secret_ref: PasswordRef | None = None


class BgpSpec(Model, frozen=True, kw_only=True):
    """spec.bgp."""

    as_number: int = 0
    node_mesh: bool = True
    port: int = 179
    peers: tuple[BgpPeerSpec, ...] = ()


class EncryptionSpec(Model, frozen=True, kw_only=True):
    """spec.encryption."""

    type: str = ""
    port: int = 51820


class NetworkSpec(Model, frozen=True, kw_only=True):
    """spec."""

    fabric: str = "routed"
    mtu: int = 0
    vxlan: VxlanSpec = VxlanSpec()
    bgp: BgpSpec | None = None
    encryption: EncryptionSpec | None = None
    fast_path: bool = True
    host_firewall: str = ""


class Network(Object, frozen=True, kw_only=True):
    """tandem.io Network; cluster-scoped."""

    spec: NetworkSpec = NetworkSpec()
    status: Status = Status()
