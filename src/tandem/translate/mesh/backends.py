"""A reference of a route to a backend -> Backend, with a Problem where it does not exist or may not be used. Pure."""

from __future__ import annotations

from tandem.base.problems import Problem
from tandem.ir.mesh import Backend
from tandem.model.gateway import BackendObject
from tandem.model.gateways import GROUP
from tandem.model.linkerd import GROUP as LINKERD
from tandem.model.linkerd import LinkerdHTTPRoute
from tandem.model.udproute import UDPRoute
from tandem.model.world import Key
from tandem.translate.grants import Referrer, Target, permitted
from tandem.translate.mesh.attach import MeshRoute
from tandem.translate.mesh.context import Context

Owner = MeshRoute | UDPRoute
"""Routes whose rules name backends."""


class BackendReader:
    """Reads the references of one route; what is wrong is added to `problems`. `parents` are its parent Services."""

    def __init__(self, owner: Owner, context: Context, parents: frozenset[Key], problems: list[Problem]) -> None:
        self._owner = owner
        self._context = context
        self._parents = parents
        self._problems = problems

    def read(self, ref: BackendObject, at: str, otherwise: str) -> tuple[Backend, bool]:
        """The backend, and whether it exists and may be used; `otherwise` is what happens if not."""
        key = ref.namespace or self._owner.metadata.namespace, ref.name
        code, text = self._mistake(ref, key)
        if code:
            self._problems.append(Problem(at=self._owner.origin(at), code=code, text=f"{text}: {otherwise}"))
            # A name that no Service can have: what may not be reached must not be reached by accident.
            return Backend(namespace=key[0], service=f"{key[1]}!{code}", port=ref.port or 0), False
        return Backend(namespace=key[0], service=key[1], port=ref.port or 0), True

    def _mistake(self, ref: BackendObject, key: Key) -> tuple[str, str]:
        if ref.group or ref.kind != "Service":
            kind = f"{ref.group}/{ref.kind}" if ref.group else ref.kind
            return "InvalidKind", f"backends of kind {kind} are not supported"
        # Whoever may dial the parent may be sent back to it; any other namespace has to grant it.
        group, kind = (LINKERD, "HTTPRoute") if isinstance(self._owner, LinkerdHTTPRoute) else (GROUP, self._owner.kind)
        who = Referrer(group=group, kind=kind, namespace=self._owner.metadata.namespace)
        target = Target(kind="Service", namespace=key[0], name=key[1])
        if key not in self._parents and not permitted(self._context.world, who, target):
            return (
                "RefNotPermitted",
                f"Service {key[0]}/{key[1]} is in another namespace and no ReferenceGrant allows it",
            )
        return self._port_mistake(ref, key)

    def _port_mistake(self, ref: BackendObject, key: Key) -> tuple[str, str]:
        service = self._context.service(key)
        if service is None:
            return "BackendNotFound", f"no Service {key[0]}/{key[1]}"
        if ref.port is None:
            return "BackendNotFound", f"the reference to Service {key[0]}/{key[1]} names no port"
        found = {p.protocol for p in service.spec.ports if p.port == ref.port}
        if not found:
            return "BackendNotFound", f"Service {key[0]}/{key[1]} has no port {ref.port}"
        if isinstance(self._owner, UDPRoute) and "UDP" not in found:
            return "BackendNotFound", f"Service {key[0]}/{key[1]} has no port {ref.port} of UDP"
        return "", ""
