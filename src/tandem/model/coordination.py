"""coordination.k8s.io/v1: the leases by which nodes say that they are there."""

from __future__ import annotations

from tandem.model.meta import Model, Object

NODE_LEASES = "kube-node-lease"
"""The namespace of the nodes' leases, each named like its node."""


class LeaseSpec(Model, frozen=True, kw_only=True):
    """coordination.k8s.io/v1 LeaseSpec."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    renew_time: str = ""


class Lease(Object, frozen=True, kw_only=True):
    """coordination.k8s.io/v1 Lease."""

    spec: LeaseSpec = LeaseSpec()
