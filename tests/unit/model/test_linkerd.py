"""Linkerd's policy objects as values."""

from __future__ import annotations

from linkerdworlds import allowing, by, networks, older, route, server
from tandem.model.gateway import ParentReference
from tandem.model.linkerd import GROUP, is_server_parent


def test_a_server_denies_and_guesses_unless_it_says_otherwise() -> None:
    assert (server().spec.access_policy, server().spec.proxy_protocol) == ("deny", "unknown")


def test_fields_that_are_words_of_python_or_have_capitals_are_read() -> None:
    assert networks({"cidr": "10.0.0.0/8", "except": ["10.0.0.1"]}).spec.networks[0].excepts == ("10.0.0.1",)
    tls = older(client={"meshTLS": {"unauthenticatedTLS": True}}).spec.client.mesh_tls
    assert tls is not None
    assert tls.unauthenticated_tls


def test_parents_of_this_apis_routes_are_of_its_group() -> None:
    assert is_server_parent(route().spec.parent_refs[0])
    assert not is_server_parent(ParentReference(name="web", kind="Server"))
    assert is_server_parent(ParentReference(name="web", kind="Server", group=GROUP))


def test_the_two_kinds_of_authorization_have_names_of_their_own() -> None:
    assert allowing("web", by("ServiceAccount", "a")).kind == "LinkerdAuthorizationPolicy"
    assert route().kind == "LinkerdHTTPRoute"
