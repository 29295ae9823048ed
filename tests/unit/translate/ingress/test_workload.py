"""Which Gateways are served."""

from __future__ import annotations

from typing import Any

import pytest

from ingressworlds import KEY, ROOT, codes, edge, gateway, made
from meshworlds import authz, reqauth


@pytest.mark.parametrize(
    ("selector", "served"),
    [
        ({"istio": "ingressgateway"}, True),
        ({"istio": "ingress"}, True),
        ({"app": "istio-ingressgateway", "istio": "ingressgateway"}, True),
        ({"app": "istio-ingress"}, True),
        ({}, True),
        ({"istio": "mygateway"}, False),
        ({"istio": "ingressgateway", "team": "shop"}, False),
        ({"app": "my-gateway"}, False),
    ],
)
def test_the_labels_of_istios_installations_and_no_others_select_it(selector: dict[str, str], *, served: bool) -> None:
    found = edge(gateway(selector=selector))
    assert (KEY in found.gateways) == served
    assert codes(gateway(selector=selector)) == ([] if served else [("spec.selector", "NotSelected")])


@pytest.mark.parametrize(
    ("spec", "ns", "judged"),
    [
        ({}, ROOT, True),
        ({"selector": {"matchLabels": {"istio": "ingressgateway"}}}, ROOT, True),
        ({"selector": {"matchLabels": {"app": "web"}}}, ROOT, False),
        ({"selector": {"matchLabels": {"istio": "ingressgateway"}}}, "default", False),
        ({}, "default", False),
        ({"targetRefs": [{"kind": "Service", "name": "web"}]}, ROOT, False),
        ({"targetRefs": [{"group": "example.com", "kind": "Odd", "name": "x"}]}, ROOT, True),
    ],
)
def test_policies_of_the_root_namespace_for_it_or_for_all_are_judged_there(
    spec: dict[str, Any], ns: str, *, judged: bool
) -> None:
    found = made(gateway(), authz("ap", ns=ns, action="DENY", rules=[{}], **spec))
    assert bool(found.authorization) == judged


def test_tokens_are_looked_at_there_too() -> None:
    found = made(gateway(), reqauth("ra", ns=ROOT, jwtRules=[{"issuer": "a", "jwksUri": "http://keys/"}]))
    assert [rule.issuer for rule in found.authentication] == ["a"]
