"""What clients ask first."""

from __future__ import annotations

from tandem.apiserver import discovery


def test_groups_list_their_versions_with_the_preferred_one_first() -> None:
    made = discovery.group("networking.istio.io")
    assert made is not None
    assert [v["version"] for v in made["versions"]] == ["v1", "v1beta1", "v1alpha3"]
    assert made["preferredVersion"]["version"] == "v1"
    assert discovery.group("batch") is None
    assert "apps" in [g["name"] for g in discovery.group_list()["groups"]]


def test_resources_come_with_subresources_and_short_names() -> None:
    made = discovery.resource_list("", "v1")
    assert made is not None
    names = {r["name"]: r for r in made["resources"]}
    assert {"pods", "pods/status", "pods/log", "services", "namespaces"} <= names.keys()
    assert names["pods"]["shortNames"] == ["po"]
    assert "configmaps/status" not in names
    assert discovery.resource_list("apps", "v2") is None


def test_a_kind_is_found_in_each_of_its_versions() -> None:
    for version in ("v1", "v1beta1", "v1alpha3"):
        kind = discovery.find("networking.istio.io", version, "virtualservices")
        assert kind is not None
        assert kind.kind == "VirtualService"
    assert discovery.find("security.istio.io", "v1alpha3", "peerauthentications") is None


def test_the_core_group_has_one_version() -> None:
    assert discovery.api_versions()["versions"] == ["v1"]
