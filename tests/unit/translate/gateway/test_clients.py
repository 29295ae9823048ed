"""Certificates of clients: which listeners ask for them, and what is told where nobody could have one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gatewayworlds import codes, edge, gateway, grant, https, listener, listenerset, tls_secret
from issuing import authority
from tandem.ir.tlsterms import ClientProof
from tandem.model.gateways import Gateway
from tandem.model.meta import Object
from tandem.translate.gateway.clients import falls_back
from tlsworlds import bundle, ca

ROOTS = authority().pem
REFS = "validation.caCertificateRefs"
DEFAULT = "spec.tls.frontend.default"
ALL = gateway("any", allowedListeners={"namespaces": {"from": "All"}}).spec.allowed_listeners
Raw = dict[str, Any]


def validation(*refs: Raw, **more: Any) -> Raw:
    return {"validation": {"caCertificateRefs": list(refs or (ca(),)), **more}}


def made(default: Raw, *listeners: Raw, **ports: Raw) -> Gateway:
    """A Gateway; keywords `pNNNN` are entries of perPort."""
    own = [{"port": int(name[1:]), "tls": tls} for name, tls in ports.items()]
    front = {"default": default, **({"perPort": own} if own else {})}
    return gateway("edge", *(listeners or (https(),)), tls={"frontend": front})


def clients(*objects: Object) -> dict[int, ClientProof | None]:
    """By port that is served."""
    found = edge(tls_secret(), *objects).gateways.get("default/edge")
    return {p.port: one.terms.clients for p in found.ports for one in p.listeners} if found is not None else {}


def test_the_default_holds_for_https_alone_and_an_entry_of_a_port_takes_its_place() -> None:
    ports = (https(), https("b", port=8443), https("c", port=9443), listener("d"))
    found = made(validation(), *ports, p8443=validation(ca("other")), p9443={})
    assert clients(found, bundle(), bundle("other", authority("other").pem)) == {
        443: ClientProof(roots_pem=ROOTS),
        8443: ClientProof(roots_pem=authority("other").pem),
        9443: None,
        80: None,
    }


def test_clients_may_be_let_in_whatever_they_show_and_the_gateway_says_so() -> None:
    found = made(validation(mode="AllowInsecureFallback"))
    assert clients(found, bundle()) == {443: ClientProof(roots_pem=ROOTS, required=False, lenient=True)}
    assert falls_back(found)
    assert edge(found, bundle(), tls_secret()).facts["default", "edge"].falls_back
    assert not falls_back(made(validation()))
    assert falls_back(made({}, p8443=validation(mode="AllowInsecureFallback")))


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        (ca("gone"), "InvalidCACertificateRef"),
        (ca(kind="Service"), "InvalidCACertificateKind"),
        (ca("roots", namespace="other"), "RefNotPermitted"),
    ],
)
def test_without_an_authority_nobody_is_let_in_and_other_ports_are_served(ref: Raw, code: str) -> None:
    found = made(validation(ref), https(), https("b", port=8443), p8443=validation())
    objects = (found, bundle(), bundle(ns="other"), tls_secret())
    assert list(clients(*objects)) == [8443]
    assert codes(edge(*objects)) == [
        (f"{DEFAULT}.{REFS}[0]", code),
        (f"{DEFAULT}.{REFS}", "NoValidCACertificate"),
    ]
    first, second = edge(*objects).facts["default", "edge"].listeners
    assert (first.governed, first.serves, second.serves) == (f"{DEFAULT}.validation", False, True)


def test_one_authority_of_several_is_enough_and_the_other_is_told() -> None:
    objects = (made(validation(ca("gone"), ca())), bundle())
    assert clients(*objects) == {443: ClientProof(roots_pem=ROOTS)}
    assert codes(edge(*objects, tls_secret())) == [(f"{DEFAULT}.{REFS}[0]", "InvalidCACertificateRef")]


def test_a_grant_of_the_other_namespace_permits_its_bundle() -> None:
    objects = (made(validation(ca("roots", namespace="other"))), bundle(ns="other"))
    assert clients(*objects, grant("Gateway", "ConfigMap")) == {443: ClientProof(roots_pem=ROOTS)}
    assert clients(*objects, grant("Gateway", "Secret")) == {}


def test_an_entry_for_a_port_without_https_has_no_effect_and_says_so() -> None:
    found = edge(made({}, listener(), p80=validation(ca("gone"))))
    assert [(p.at.path, p.code, p.severity.value) for p in found.problems if p.code == "NoEffect"] == [
        ("spec.tls.frontend.perPort[0].tls.validation", "NoEffect", "warning")
    ]
    assert codes(found) == []


def test_listeners_of_sets_ask_for_what_the_gateway_says_and_are_told_what_is_wrong_there() -> None:
    found = made({}, listener(), p8443=validation(ca("gone")))
    found = replace(found, spec=replace(found.spec, allowed_listeners=ALL))
    objects = (found, listenerset("ls", https("a"), https("b", port=8443)), tls_secret())
    assert clients(*objects[:2]) == {443: None, 80: None}
    assert codes(edge(*objects), "ListenerSet") == [
        ("spec.listeners[1].port", "InvalidCACertificateRef"),
        ("spec.listeners[1].port", "NoValidCACertificate"),
    ]
