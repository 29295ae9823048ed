"""TLSRoute as its CRD judges it."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.walk import walk

RULES = [{"backendRefs": [{"name": "a", "port": 443}]}]
CASES: list[tuple[dict[str, Any], str]] = [
    ({"rules": []}, "s.rules"),
    ({"rules": [{"backendRefs": []}]}, "s.rules[0].backendRefs"),
    ({"rules": [{"backendRefs": [{"name": "a"}]}]}, "s.rules[0].backendRefs[0].port"),
    ({"rules": RULES, "hostnames": ["10.0.0.1"]}, "s.hostnames[0]"),
    ({"rules": RULES, "hostnames": ["a.*.test"]}, "s.hostnames[0]"),
    ({"rules": RULES, "hostnames": [f"a{i}.test" for i in range(1025)]}, "s.hostnames"),
    ({"rules": RULES, "parentRefs": [{"name": "a"}, {"name": "a"}]}, "s.parentRefs[1]"),
    ({"rules": [{**RULES[0], "matches": []}]}, "s.rules[0].matches"),
]


@pytest.mark.parametrize(("spec", "path"), CASES)
def test_what_the_crd_refuses_is_refused_at_its_field(spec: dict[str, Any], path: str) -> None:
    (wrong,) = walk(spec, "GwTlsRouteSpec", "s")
    assert wrong.startswith(f"{path}: ")


def test_a_thousand_names_are_fine() -> None:
    assert not list(walk({"rules": RULES, "hostnames": [f"a{i}.test" for i in range(1024)]}, "GwTlsRouteSpec", "s"))


@pytest.mark.parametrize(("version", "wrong"), [("v1", 1), ("v1alpha3", 1), ("v1alpha2", 0), ("v1beta1", 2)])
def test_names_are_required_unless_the_version_is_v1alpha2(version: str, wrong: int) -> None:
    raw = {"apiVersion": f"gateway.networking.k8s.io/{version}", "kind": "TLSRoute", "metadata": {"name": "a"}}
    assert len(validate({**raw, "spec": {"rules": RULES}})) == wrong
    assert len(validate({**raw, "spec": {"rules": RULES, "hostnames": ["a.test"]}})) == max(0, wrong - 1)
