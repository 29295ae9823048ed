"""What a VirtualService is told that is at no server."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import gateway, problems, server, vs


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
