"""The registry of kinds."""

from __future__ import annotations

from collections import Counter

import pytest

from tandem.model.kinds import BY_KIND, KINDS, Kind, find, name_of


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("pods", "Pod"),
        ("po", "Pod"),
        ("Pod", "Pod"),
        ("netpol", "NetworkPolicy"),
        ("virtualservice.networking.istio.io", "VirtualService"),
        ("vs.networking.istio.io", "VirtualService"),
        ("deploy", "Deployment"),
    ],
)
def test_a_kind_has_the_names_that_kubectl_knows(word: str, kind: str) -> None:
    found = find(word)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize("word", ["", "ingress", "pods.apps", "virtualservice.istio.io"])
def test_what_is_not_served_is_not_found(word: str) -> None:
    assert find(word) is None


def test_no_word_means_two_kinds_but_those_that_two_groups_have() -> None:
    words = Counter(w for k in KINDS for w in {k.plural, k.singular, *k.short})
    assert {word for word, times in words.items() if times > 1} == {
        *("gateway", "gateways", "event", "events", "httproute", "httproutes"),
        *("authorizationpolicy", "authorizationpolicies"),
    }


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("gateway", "Gateway"),
        ("gateways.gateway.networking.k8s.io", "Gateway"),
        ("gw", "IstioGateway"),
        ("gateways.networking.istio.io", "IstioGateway"),
        ("gateway.networking.istio.io", "IstioGateway"),
        ("istiogateway", "IstioGateway"),
        ("events", "Event"),
        ("ev", "Event"),
        ("events.events.k8s.io", "GroupEvent"),
        ("authorizationpolicies", "AuthorizationPolicy"),
        ("authorizationpolicies.policy.linkerd.io", "LinkerdAuthorizationPolicy"),
        ("httproute", "HTTPRoute"),
        ("httproute.policy.linkerd.io", "LinkerdHTTPRoute"),
        ("srv", "Server"),
    ],
)
def test_a_word_that_two_groups_have_means_the_first(word: str, name: str) -> None:
    found = find(word)
    assert found is not None
    assert found.name == name


def test_the_storage_version_comes_first() -> None:
    assert BY_KIND["VirtualService"].api_version == "networking.istio.io/v1"
    assert BY_KIND["Pod"].api_version == "v1"


def test_a_kind_has_a_name_that_no_other_has() -> None:
    """World.all looks objects up by class name."""
    assert BY_KIND.keys() == {k.cls.__name__ for k in KINDS}
    assert len(BY_KIND) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_a_raw_object_is_of_the_kind_of_its_group(kind: Kind) -> None:
    assert all(
        name_of({"apiVersion": f"{kind.group}/{v}".strip("/"), "kind": kind.kind}) == kind.name for v in kind.versions
    )


def test_a_kind_of_a_group_that_is_none_of_ours_has_its_own_name() -> None:
    assert name_of({"apiVersion": "example.com/v1", "kind": "Pod"}) == "Pod"
    assert name_of({"kind": "Pod"}) == "Pod"
    assert name_of({}) == ""
