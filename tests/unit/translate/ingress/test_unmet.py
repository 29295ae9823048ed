"""What a VirtualService is told that is at no server."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import API, codes, gateway, problems, server, to, vs
from tandem.model.parse import parse


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"at": ("gone",)}, "spec.gateways[0]", "GatewayNotFound"),
        ({"at": ("mine",)}, "spec.gateways[0]", "NotSelected"),
        ({"exportTo": ["."]}, "spec.exportTo", "NotExported"),
        ({"hosts": ("other.test",)}, "spec.hosts", "NoMatchingHost"),
    ],
)
def test_the_reason_is_told_as_an_error_where_it_is_applied_nowhere(spec: dict[str, Any], path: str, code: str) -> None:
    objects = gateway("shop", server("shop.test")), gateway("mine", selector={"istio": "mygateway"})
    (found,) = [p for p in problems(*objects, vs(**spec)) if p.at.kind == "VirtualService"]
    assert (found.at.path, found.code, found.severity.value) == (path, code, "error")


def test_it_is_a_warning_where_it_is_applied_elsewhere() -> None:
    for at in (("shop", "gone"), ("gone", "mesh")):
        found = [p for p in problems(gateway(), vs(hosts=("web",), at=at)) if p.code == "GatewayNotFound"]
        assert [p.severity.value for p in found] == ["warning"]


@pytest.mark.parametrize("resolution", ["DYNAMIC_DNS", "NONE"])
def test_nobody_outside_says_what_the_node_dials(resolution: str) -> None:
    wild: dict[str, Any] = {"hosts": ["*.shop.test"], "resolution": resolution}
    wild["ports"] = [{"number": n, "name": f"p{n}", "protocol": k} for n, k in ((80, "HTTP"), (443, "TLS"))]
    meta = {"name": "wild", "namespace": "default"}
    entry = parse({"apiVersion": API, "kind": "ServiceEntry", "metadata": meta, "spec": wild})
    passed = server("*.shop.test", port=443, protocol="TLS", tls={"mode": "PASSTHROUGH"})
    at = gateway("shop", server("*.shop.test"), passed)
    named = {"host": "*.shop.test", "port": {"number": 443}}
    tls = [{"match": [{"port": 443, "sniHosts": ["*.shop.test"]}], "route": [{"destination": named}]}]
    found = codes(at, vs("wild", to("*.shop.test"), hosts=("*.shop.test",), tls=tls), entry)
    assert [(path, code) for path, code in found if path] == [
        ("spec.http[0]", "UnsupportedValue"),
        ("spec.tls[0]", "UnsupportedValue"),
    ]
