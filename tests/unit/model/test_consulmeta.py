"""What a pod's annotations say to Consul, as labels."""

from __future__ import annotations

from tandem.model.consulmeta import meta_label, tag_label, traits_of
from tandem.model.meta import Meta


def test_metadata_and_tags_stand_beside_labels() -> None:
    notes = {
        "consul.hashicorp.com/service-meta-version": "v1",
        "consul.hashicorp.com/service-tags": "a, b,",
        "consul.hashicorp.com/connect-inject": "true",
    }
    found = traits_of(Meta(labels={"app": "web"}, annotations=notes))
    assert found == {"app": "web", meta_label("version"): "v1", **dict([tag_label("a"), tag_label("b")])}


def test_without_any_there_are_labels_alone() -> None:
    meta = Meta(labels={"app": "web"}, annotations={"x": "y"})
    assert traits_of(meta) is meta.labels
