"""What routes need beside them: Services for subsets, and leave to refer to Services of other namespaces. Pure."""

from __future__ import annotations

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


def grant(kind: str, namespace: str, home: str, services: set[str]) -> RawObject:
    """For routes of one kind in `home`, to Services of another namespace."""
    spec = {
        "from": [{"group": GROUP, "kind": kind, "namespace": home}],
        "to": [{"group": "", "kind": "Service", "name": service} for service in sorted(services)],
    }
    meta = {"name": f"{kind.lower()}s-of-{home}", "namespace": namespace}
    return {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant", "metadata": meta, "spec": spec}
