"""Leases as the API has them."""

from __future__ import annotations

from tandem.model.coordination import NODE_LEASES, Lease
from tandem.model.parse import parse


def test_a_lease_says_whose_it_is_and_when_it_was_renewed() -> None:
    raw = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "node-1", "namespace": NODE_LEASES},
        "spec": {"holderIdentity": "node-1", "leaseDurationSeconds": 40, "renewTime": "2026-01-31T12:00:00.123456Z"},
    }
    lease = parse(raw)
    assert isinstance(lease, Lease)
    assert (lease.spec.holder_identity, lease.spec.lease_duration_seconds) == ("node-1", 40)
    assert lease.spec.renew_time == "2026-01-31T12:00:00.123456Z"
