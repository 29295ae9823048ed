"""discovery.k8s.io/v1 EndpointSlice and its parts."""

from __future__ import annotations

from tandem.model.meta import Model, Object


class TargetRef(Model, frozen=True, kw_only=True):
    """ObjectReference of an endpoint."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""


class EndpointConditions(Model, frozen=True, kw_only=True):
    """Absent means unknown, which readers take for true (`ready`) or false (`terminating`)."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForPlace(Model, frozen=True, kw_only=True):
    """discovery.k8s.io/v1 ForZone and ForNode."""

    name: str


class EndpointHints(Model, frozen=True, kw_only=True):
    """discovery.k8s.io/v1 EndpointHints: the zones and nodes whose clients should use an endpoint."""

    for_zones: tuple[ForPlace, ...] = ()
    for_nodes: tuple[ForPlace, ...] = ()


class SliceEndpoint(Model, frozen=True, kw_only=True):
    """discovery.k8s.io/v1 Endpoint."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    hostname: str = ""
    node_name: str = ""
    zone: str = ""
    hints: EndpointHints = EndpointHints()
    target_ref: TargetRef | None = None


class SlicePort(Model, frozen=True, kw_only=True):
    """discovery.k8s.io/v1 EndpointPort."""

    name: str = ""
    port: int | None = None
    protocol: str = "TCP"
    app_protocol: str = ""


class EndpointSlice(Object, frozen=True, kw_only=True):
    """discovery.k8s.io/v1 EndpointSlice; the label `kubernetes.io/service-name` names its Service."""

    address_type: str = "IPv4"
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()
