"""What is behind the cluster of a Service's port, from one NodeView: for the flows of what failed there."""

from __future__ import annotations

from tandem.compile.envoy.callers import policy_among
from tandem.compile.names import callers_of, service_port
from tandem.ir.node import NodeView
from tandem.observe.outcome import Behind


def behind(view: NodeView, cluster: str) -> Behind:
    """Of any other cluster: nothing."""
    found = service_port(cluster)
    if found is None:
        return Behind()
    namespace, name, number, version = found
    key = f"{namespace}/{name}"
    service, known = view.services.get(key), view.endpoints.get(key)
    policy = policy_among(view.policies.get(key), callers_of(cluster))
    if service is None or known is None:
        return Behind()
    subset = next((s for s in policy.subsets if s.name == version), None) if policy is not None else None
    labels = set(subset.labels) if subset is not None else set()
    ports = {port.name for port in service.ports if port.port == number}
    ends = sum(labels <= set(end.labels) and bool(ports & {name for name, _ in end.ports}) for end in known.endpoints)
    if policy is None:
        return Behind(ends=ends)
    origins = (*((policy.origin,) if policy.origin is not None else ()), *policy.attached)
    return Behind(ends=ends, policies=origins, ejects=policy.of(number, subset).outlier is not None)
