"""The registry of kinds."""

from __future__ import annotations

import pytest

from tandem.model.kinds import BY_KIND, KINDS, find


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


def test_no_word_means_two_kinds() -> None:
    words = [w for k in KINDS for w in {k.plural, k.singular, *k.short}]
    assert len(words) == len(set(words))


def test_the_storage_version_comes_first() -> None:
    assert BY_KIND["VirtualService"].api_version == "networking.istio.io/v1"
    assert BY_KIND["Pod"].api_version == "v1"


def test_a_kind_is_stored_under_the_name_of_its_class() -> None:
    """World.all looks objects up by class name."""
    assert all(k.cls.__name__ == k.kind for k in KINDS)
