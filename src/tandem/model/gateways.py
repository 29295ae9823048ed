"""gateway.networking.k8s.io ReferenceGrant."""

from __future__ import annotations

import msgspec

from tandem.model.meta import Model, Object

GROUP = "gateway.networking.k8s.io"


class GrantFrom(Model, frozen=True, kw_only=True):
    """ReferenceGrantFrom: who may refer."""

    group: str
    kind: str
    namespace: str


class GrantTo(Model, frozen=True, kw_only=True):
    """ReferenceGrantTo: to what; without a name to all of the kind in the grant's namespace."""

    group: str
    kind: str
    name: str = ""


class ReferenceGrantSpec(Model, frozen=True, kw_only=True):
    """spec."""

    from_: tuple[GrantFrom, ...] = msgspec.field(default=(), name="from")
    to: tuple[GrantTo, ...] = ()


class ReferenceGrant(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io ReferenceGrant."""

    spec: ReferenceGrantSpec = ReferenceGrantSpec()
