"""Parsing of Gateways, their classes and grants."""

from __future__ import annotations

from typing import Any, cast

from tandem.model.gateways import GROUP, Gateway, GatewayClass, ReferenceGrant, RouteKind
from tandem.model.parse import parse


def raw(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": "a", "namespace": "shop"}, "spec": spec}


def test_a_listener_has_the_defaults_of_the_api() -> None:
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    (found,) = cast("Gateway", parse(raw("Gateway", gatewayClassName="tandem", listeners=listeners))).spec.listeners
    assert (found.hostname, found.tls, found.allowed_routes.namespaces.from_) == ("", None, "Same")


def test_kinds_of_routes_and_certificates_have_their_groups() -> None:
    listener = {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "tls": {"certificateRefs": [{"name": "cert"}]},
        "allowedRoutes": {"kinds": [{"kind": "HTTPRoute"}], "namespaces": {"from": "All"}},
    }
    (found,) = cast("Gateway", parse(raw("Gateway", gatewayClassName="tandem", listeners=[listener]))).spec.listeners
    assert found.allowed_routes.kinds == (RouteKind(group=GROUP, kind="HTTPRoute"),)
    assert found.tls is not None
    assert (found.tls.mode, found.tls.certificate_refs[0].kind, found.tls.certificate_refs[0].group) == (
        "Terminate",
        "Secret",
        "",
    )


def test_a_class_and_a_grant() -> None:
    made = raw("GatewayClass", controllerName="tandem.io/controller")
    del made["metadata"]["namespace"]
    assert cast("GatewayClass", parse(made)).spec.controller_name == "tandem.io/controller"
    sides = {"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "b"}], "to": [{"group": "", "kind": "Secret"}]}
    grant = cast("ReferenceGrant", parse(raw("ReferenceGrant", **sides)))
    assert (grant.spec.from_[0].namespace, grant.spec.to[0].name) == ("b", "")
