"""Proxies before gateways."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.translate.mesh.istio.topology import trusted_hops


def test_the_number_of_trusted_proxies_is_read() -> None:
    assert trusted_hops({"defaultConfig": {"gatewayTopology": {"numTrustedProxies": 2}}}) == (2, [])
    assert trusted_hops({"defaultConfig": {"gatewayTopology": {"numTrustedProxies": "2"}}}) == (2, [])
    assert trusted_hops({}) == trusted_hops({"defaultConfig": None}) == (0, [])


@pytest.mark.parametrize(
    ("config", "path", "code"),
    [
        ([], "defaultConfig", "InvalidValue"),
        ({"gatewayTopology": 1}, "defaultConfig.gatewayTopology", "InvalidValue"),
        ({"gatewayTopology": {"numTrustedProxies": -1}}, "…numTrustedProxies", "InvalidValue"),
        ({"gatewayTopology": {"numTrustedProxies": True}}, "…numTrustedProxies", "InvalidValue"),
        ({"gatewayTopology": {"numTrustedProxies": "one"}}, "…numTrustedProxies", "InvalidValue"),
        ({"gatewayTopology": {"proxyProtocol": {}}}, "…proxyProtocol", "UnsupportedField"),
        ({"tracing": {}}, "defaultConfig.tracing", "UnsupportedField"),
    ],
)
def test_anything_else_is_told_with_its_path_and_trusts_nobody(config: Any, path: str, code: str) -> None:
    hops, [(found, text)] = trusted_hops({"defaultConfig": config})
    wanted = path.replace("…", "defaultConfig.gatewayTopology.")
    assert (hops, found, text.partition(":")[0]) == (0, code, wanted)
