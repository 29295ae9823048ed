"""gateway.networking.k8s.io ListenerSet, the fields that we act on or refuse by name."""

from __future__ import annotations

from tandem.model.gateways import GROUP, Listener, ListenerStatus
from tandem.model.meta import Condition, Model, Object


class ParentGateway(Model, frozen=True, kw_only=True):
    """ParentGatewayReference; no namespace: that of the ListenerSet."""

    name: str = ""
    group: str = GROUP
    kind: str = "Gateway"
    namespace: str = ""


class ListenerSetSpec(Model, frozen=True, kw_only=True):
    """spec; the fields of a ListenerEntry are those of a Gateway's listener."""

    parent_ref: ParentGateway = ParentGateway()
    listeners: tuple[Listener, ...] = ()


class ListenerSetStatus(Model, frozen=True, kw_only=True):
    """status; those of listeners have the fields of a Gateway's."""

    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class ListenerSet(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io ListenerSet."""

    spec: ListenerSetSpec = ListenerSetSpec()
    status: ListenerSetStatus = ListenerSetStatus()
