"""What the API refuses of pools, reservations and blocks."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate


@pytest.mark.parametrize(
    ("kind", "spec", "wrong"),
    [
        ("IPPool", {}, "spec.cidr: Required value"),
        ("IPPool", {"cidr": "10.0.0.1/24"}, "spec.cidr: '10.0.0.1/24' is not a prefix: 10.0.0.1/24 has host bits set"),
        (
            "IPPool",
            {"cidr": "169.254.0.0/20"},
            "spec.cidr: 169.254.0.0/20 has addresses of 169.254.0.0/16 (link-local)",
        ),
        ("IPPool", {"cidr": "10.0.0.0/30"}, "spec.cidr: 10.0.0.0/30 has no room for a block; use /29 or shorter"),
        ("IPPool", {"cidr": "10.0.0.0/24", "blockSize": 20}, "spec.blockSize: /20 cannot be a block of 10.0.0.0/24"),
        ("IPPool", {"cidr": "fd00::/64", "blockSize": 126}, "spec.blockSize: /126 cannot be a block of fd00::/64"),
        ("IPPool", {"cidr": "10.0.0.0/24", "ipipMode": "Always"}, "spec.ipipMode: unknown field"),
        ("IPReservation", {"reservedCIDRs": ["10.0.0.0/24", "x"]}, "spec.reservedCIDRs[1]: 'x' is not a prefix"),
        ("IPAMBlock", {"cidr": "10.0.0.0/29"}, "spec.node: Required value"),
        (
            "IPAMBlock",
            {"cidr": "10.0.0.0/29", "node": "a", "loans": [{"address": "10.0.0.9", "node": "b"}]},
            "spec.loans[0].address: '10.0.0.9' is no address of 10.0.0.0/29",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_path(kind: str, spec: dict[str, Any], wrong: str) -> None:
    raw = {"apiVersion": "tandem.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    assert [e for e in validate(raw) if e.startswith(wrong)], validate(raw)
