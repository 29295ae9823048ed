"""The one gateway of Istio's Gateways."""

from __future__ import annotations

from tandem.reference.ingressgateway import IngressGateway, has_labels


def test_it_has_the_labels_of_both_installations_and_no_others() -> None:
    assert has_labels({})
    assert has_labels({"istio": "ingress", "app": "istio-ingressgateway"})
    assert not has_labels({"istio": "egressgateway"})
    assert not has_labels({"team": "a"})


def test_it_speaks_as_the_account_of_istios_installation() -> None:
    assert IngressGateway().key == ("istio-system", "istio-ingressgateway-service-account")
