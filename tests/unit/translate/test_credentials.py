"""Secrets in Istio's forms."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ingressworlds import ROOT, secret
from pems import pem
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.credentials import Credentials

CHAIN, KEY = pem()
CA = pem("ca.test")[0]


def of(*objects: Object) -> Credentials:
    return Credentials(world=World.of(objects), namespaces=(ROOT, "shop"))


def roots(*objects: Object, name: str = "cert") -> str:
    found, _ = of(*objects).roots(name)
    return found.roots_pem if found is not None else ""


def test_both_forms_of_a_pair_are_read() -> None:
    assert of(secret()).pair("cert")[0].startswith("istio-system/cert/")
    assert of(secret(cert=CHAIN, key=KEY)).pair("cert")[0].startswith("istio-system/cert/")
    assert of(secret()).pair("kubernetes://cert") == of(secret()).pair("cert")


def test_the_root_namespace_goes_before_the_gateways_own() -> None:
    assert of(secret(ns="shop")).pair("cert")[0].startswith("shop/cert/")
    assert of(secret(ns="shop"), secret()).pair("cert")[0].startswith("istio-system/cert/")


@pytest.mark.parametrize("name", ["file:///etc/cert", "sds://cert", "other/cert", "builtin://"])
def test_other_places_are_no_names(name: str) -> None:
    assert of(secret()).pair(name) == ("", f"{name!r} is no name of a Secret")


def test_a_pair_that_is_none_is_told() -> None:
    assert of().pair("cert")[1] == "no Secret cert in namespace istio-system or shop"
    assert "no tls.key" in of(secret(tls_crt=CHAIN)).pair("cert")[1]
    assert "is not that of the certificate" in of(secret(cert=CA, key=KEY)).pair("cert")[1]


@pytest.mark.parametrize("field", ["cacert", "ca_crt"])
def test_authorities_are_in_a_secret_of_their_own_or_beside_the_pair(field: str) -> None:
    in_it: dict[str, Any] = {field: CA}
    apart: dict[str, Any] = {field: CHAIN}
    beside, own = secret(cert=CHAIN, key=KEY, **in_it), secret("cert-cacert", **apart)
    assert roots(beside) == CA.decode()
    assert roots(beside, own) == CHAIN.decode()
    assert roots(own) == CHAIN.decode()


def test_authorities_that_are_none_are_told() -> None:
    assert of(secret()).roots("cert") == (None, "Secret istio-system/cert has no ca.crt and no cacert")
    assert of().roots("cert")[1] == "no Secret cert-cacert or cert in namespace istio-system or shop"
    assert "no certificate in PEM" in of(secret(cacert=b"x")).roots("cert")[1]
    assert "no list" in of(secret(cacert=CA, crl=b"x")).roots("cert")[1]


def test_authorities_of_their_own_are_in_a_secret_or_a_configmap() -> None:
    meta = {"name": "ca", "namespace": "shop"}
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": CA.decode()}}
    config = parse(raw)
    assert isinstance(config, core.ConfigMap)
    for objects in ((config,), (secret("ca", ca_crt=CA),)):
        found, wrong = of(*objects).authorities("ca")
        assert found is not None
        assert (found.roots_pem, wrong) == (CA.decode(), "")
    assert of().authorities("ca")[1] == "no Secret or ConfigMap ca in namespace istio-system or shop"


def test_no_word_of_a_key_is_told() -> None:
    broken = secret(tls_crt=CHAIN, tls_key=b"very secret")
    text = of(broken).pair("cert")[1]
    assert "very secret" not in text
    assert base64.b64encode(b"very secret").decode() not in text
