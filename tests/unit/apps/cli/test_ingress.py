"""What belongs together at Istio's Gateways."""

from __future__ import annotations

from typing import Any

from tandem.apps.cli.ingress import gateways_named, policies_there, virtualservices_at

Raw = dict[str, Any]


def made(kind: str, name: str, spec: Raw, *, ns: str = "shop", group: str = "networking", **status: Any) -> Raw:
    meta = {"name": name, "namespace": ns}
    raw = {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}
    return {**raw, **({"status": status} if status else {})}


def gateway(name: str = "edge", selector: str = "ingressgateway", **status: Any) -> Raw:
    return made("Gateway", name, {"selector": {"istio": selector}, "servers": []}, **status)


def vs(name: str, *gateways: str, ns: str = "shop", **status: Any) -> Raw:
    return made("VirtualService", name, {"hosts": ["a.test"], "gateways": list(gateways), "http": []}, ns=ns, **status)


def test_virtualservices_that_name_it_are_listed_with_what_is_said() -> None:
    said: Raw = {"conditions": [{"type": "Accepted", "status": "True"}, {"type": "Programmed", "status": "False"}]}
    sources = [vs("a", "edge", **said), vs("b", "shop/edge", "mesh", ns="far"), vs("c", "edge", ns="far"), vs("d")]
    assert virtualservices_at(gateway(), sources) == [
        "shop/a (a.test): Accepted=True, Programmed=False",
        "far/b (a.test): nothing was said of it yet",
    ]


def test_a_virtualservice_tells_the_addresses_of_its_gateways() -> None:
    here = gateway(addresses=[{"value": "192.0.2.1"}, {"value": "2001:db8::1"}])
    assert gateways_named(vs("a", "edge", "shop/other", "mesh", "far/gone"), [here, gateway("other")]) == [
        "shop/edge: 192.0.2.1, 2001:db8::1",
        "shop/other: it has no address",
        "far/gone: there is no such Gateway",
    ]


def test_policies_are_those_of_the_gateway_of_the_cluster() -> None:
    of = {"selector": {"matchLabels": {"istio": "ingressgateway"}}}
    policies = [
        made("AuthorizationPolicy", "one", of, ns="istio-system", group="security"),
        made("RequestAuthentication", "all", {}, ns="istio-system", group="security"),
        made("AuthorizationPolicy", "other", of, group="security"),
    ]
    wanted = ["AuthorizationPolicy istio-system/one", "RequestAuthentication istio-system/all"]
    assert policies_there(gateway(), policies) == wanted
    assert policies_there(gateway(selector="egressgateway"), policies) == []
