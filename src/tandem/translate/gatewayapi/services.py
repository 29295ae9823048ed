"""What routes need beside them: Services for subsets, and leave to refer to Services of other namespaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tandem.ir.mesh import Backend, MeshIR
from tandem.model import core
from tandem.model.meta import RawObject
from tandem.model.world import World
from tandem.translate.gatewayapi.actions import GROUP, name_of


def subset_service(world: World, mesh: MeshIR, backend: Backend) -> RawObject | None:
    """A Service for the endpoints of a subset: what selects them is the labels of both."""
    whole = world.get(core.Service, backend.namespace, backend.service)
    policy = mesh.policies.get(f"{backend.namespace}/{backend.service}")
    found = next((s for s in policy.subsets if s.name == backend.subset), None) if policy is not None else None
    if whole is None or found is None:
        return None
    ports = [
        {
            key: value
            for key, value in (
                ("name", port.name),
                ("port", port.port),
                ("targetPort", port.target_port),
                ("protocol", port.protocol),
                ("appProtocol", port.app_protocol),
            )
            if value
        }
        for port in whole.spec.ports
    ]
    spec = {"selector": {**whole.spec.selector, **dict(found.labels)}, "ports": ports}
    meta = {"name": name_of(backend), "namespace": backend.namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


class Leave(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """An object of a kind of the Gateway API in `home` refers to a Service or Secret, which may be elsewhere."""

    kind: str
    home: str
    to: str
    namespace: str
    name: str


def grants(leaves: Iterable[Leave]) -> Iterator[RawObject]:
    """A ReferenceGrant for each kind and namespace that refers to others."""
    found: dict[tuple[str, str, str], list[Leave]] = {}
    for leave in sorted(leave for leave in leaves if leave.namespace != leave.home):
        found.setdefault((leave.namespace, leave.home, leave.kind), []).append(leave)
    for (namespace, home, kind), own in sorted(found.items()):
        spec = {
            "from": [{"group": GROUP, "kind": kind, "namespace": home}],
            "to": [{"group": "", "kind": leave.to, "name": leave.name} for leave in own],
        }
        meta = {"name": f"{kind.lower()}s-of-{home}", "namespace": namespace}
        yield {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant", "metadata": meta, "spec": spec}
