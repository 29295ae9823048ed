"""Which Gateways are served."""

from __future__ import annotations

import pytest

from ingressworlds import KEY, codes, edge, gateway


@pytest.mark.parametrize(
    ("selector", "served"),
    [
        ({"istio": "ingressgateway"}, True),
        ({"istio": "ingress"}, True),
        ({"app": "istio-ingressgateway", "istio": "ingressgateway"}, True),
        ({"app": "istio-ingress"}, True),
        ({}, True),
        ({"istio": "egressgateway"}, False),
        ({"istio": "ingressgateway", "team": "shop"}, False),
        ({"app": "my-gateway"}, False),
    ],
)
def test_the_labels_of_istios_installations_and_no_others_select_it(selector: dict[str, str], *, served: bool) -> None:
    found = edge(gateway(selector=selector))
    assert (KEY in found.gateways) == served
    assert codes(gateway(selector=selector)) == ([] if served else [("spec.selector", "NotSelected")])
