"""How gateways open connections to backends that speak TLS, and which gateways a policy says something of."""

from __future__ import annotations

import pytest

from builders import service
from gatewayworlds import at, codes, gateway, grant, listener, route, tcproute, tls_secret
from issuing import authority
from tandem.ir.gateway import BackendTls
from tandem.ir.traffic import ClientTls
from tandem.model.meta import Object
from tandem.translate.gateway.secured import MOST
from tlsworlds import backend_tls, bundle, ca, secured, target

CLIENT = {"backend": {"clientCertificateRef": {"name": "cert"}}}
WHERE = "spec.tls.backend.clientCertificateRef"


def opened(*objects: Object, name: str = "edge") -> dict[tuple[str, int], BackendTls]:
    """By Service and port."""
    found = secured(*objects, bundle()).gateways[f"default/{name}"].backend_tls
    return {(one.service, one.port): one for one in found}


def test_backends_of_requests_copies_and_connections_are_opened_as_the_policy_says() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "copy", "port": 80}}}
    rules = [{"backendRefs": [{"name": "web", "port": 80}], "filters": [mirror]}]
    bytes_ = [{"backendRefs": [{"name": "raw", "port": 80}, {"name": "plain", "port": 80}]}]
    found = opened(
        gateway("edge", listener(), listener("tcp", 9000, "TCP")),
        route("hr", rules=rules),
        tcproute("tr", rules=bytes_),
        *(service(name) for name in ("copy", "raw", "plain")),
        backend_tls("p", target(), target("copy"), target("raw")),
    )
    assert list(found) == [("copy", 80), ("raw", 80), ("web", 80)]
    assert {one.tls for one in found.values()} == {ClientTls.SIMPLE}
    web = found["web", 80]
    assert (web.origination.server_name, web.origination.roots_pem) == ("web.test", authority().pem)
    assert (web.origin.kind, web.origin.name) == ("BackendTLSPolicy", "p")


def test_what_no_policy_names_and_what_may_not_be_reached_is_left_as_it_is() -> None:
    objects = (gateway("edge"), route("hr", rules=[{"backendRefs": [{"name": "web", "port": 80, "namespace": "a"}]}]))
    found = secured(*objects, backend_tls("p", target("web"), ns="a"), service("web", ns="a"), bundle(ns="a"))
    assert found.gateways["default/edge"].backend_tls == ()
    assert found.ancestors == {}
    assert opened(gateway("edge"), route("hr"), backend_tls("p", target("other"))) == {}


def test_a_policy_that_cannot_be_applied_lets_nothing_through() -> None:
    found = opened(gateway("edge"), route("hr"), backend_tls(refs=(ca("gone"),)))
    assert found["web", 80].tls is ClientTls.REFUSE


def test_the_older_policy_counts_whatever_is_wrong_with_it_and_the_other_is_told() -> None:
    old = backend_tls("z", refs=(ca("gone"),), created="2026-01-01T00:00:00Z")
    new = backend_tls("a", created="2026-01-01T00:00:01Z")
    found = secured(gateway("edge"), route("hr"), old, new, bundle())
    (one,) = found.gateways["default/edge"].backend_tls
    assert (one.tls, one.origin.name) == (ClientTls.REFUSE, "z")
    assert ("spec.targetRefs[0]", "Conflicted") in codes(found, "BackendTLSPolicy")
    assert {name: [a.gateway[1] for a in every] for (_, name), every in found.ancestors.items()} == {
        "a": ["edge"],
        "z": ["edge"],
    }


def test_of_one_second_the_first_by_name_counts() -> None:
    found = opened(gateway("edge"), route("hr"), backend_tls("b"), backend_tls("a"))
    assert found["web", 80].origin.name == "a"


def test_a_policy_concerns_the_gateways_whose_routes_lead_to_its_targets() -> None:
    found = secured(
        gateway("edge"),
        gateway("other"),
        gateway("third"),
        service("gone"),
        service("two", ports=[{"name": "a", "port": 443}, {"name": "b", "port": 80}]),
        route("hr"),
        route("more", at("other"), rules=[{"backendRefs": [{"name": "two", "port": 80}, {"name": "not", "port": 1}]}]),
        backend_tls("p", target(), target("two", "b"), target("two", "a"), target("not")),
        bundle(),
    )
    told = {a.gateway[1]: a.targets for a in found.ancestors["default", "p"]}
    assert told == {"edge": (0,), "other": (1, 3)}


def test_a_gateway_shows_its_certificate_to_backends_that_speak_tls() -> None:
    found = opened(gateway("edge", tls=CLIENT), route("hr"), backend_tls(), tls_secret())
    assert found["web", 80].origination.certificate.startswith("default/cert/")


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ({"name": "gone"}, "InvalidClientCertificateRef"),
        ({"name": "cert", "group": "a.test"}, "InvalidClientCertificateRef"),
        ({"name": "cert", "kind": "Bucket"}, "InvalidClientCertificateRef"),
        ({"name": "cert", "namespace": "other"}, "RefNotPermitted"),
    ],
)
def test_a_certificate_that_cannot_be_shown_closes_backends_that_speak_tls(ref: dict[str, str], code: str) -> None:
    made = gateway("edge", tls={"backend": {"clientCertificateRef": ref}})
    found = secured(made, route("hr"), backend_tls(), bundle(), tls_secret(), tls_secret(ns="other"))
    assert codes(found) == [(WHERE, code)]
    (one,) = found.gateways["default/edge"].backend_tls
    assert (one.tls, one.origination.certificate) == (ClientTls.REFUSE, "")


def test_a_certificate_of_another_namespace_is_shown_where_a_grant_allows_it() -> None:
    made = gateway("edge", tls={"backend": {"clientCertificateRef": {"name": "cert", "namespace": "other"}}})
    found = opened(made, route("hr"), backend_tls(), tls_secret(ns="other"), grant("Gateway", "Secret"))
    assert found["web", 80].origination.certificate.startswith("other/cert/")


def test_at_gateways_of_which_the_status_cannot_tell_nothing_is_opened() -> None:
    names = [f"g{i:02}" for i in range(MOST + 1)]
    found = secured(*map(gateway, names), route("hr", *map(at, names)), backend_tls(), bundle())
    assert len(found.ancestors["default", "tls"]) == MOST
    modes = [found.gateways[f"default/{name}"].backend_tls[0].tls for name in names]
    assert modes == [ClientTls.SIMPLE] * MOST + [ClientTls.REFUSE]
    assert [p.at.name for p in found.problems if p.code == "NoEffect" and "its status" in p.text] == [names[-1]]
