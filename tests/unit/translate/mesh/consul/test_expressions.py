"""Filters of subsets."""

from __future__ import annotations

import pytest

from tandem.translate.mesh.consul.expressions import read_filter

V = "consul.hashicorp.com/service-meta-version"
T = "consul.hashicorp.com/service-tag-"


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ()),
        ("Service.Meta.version == v1", ((V, "v1"),)),
        ('Service.Meta.version == "a \\"b\\" and c"', ((V, 'a "b" and c'),)),
        ("Service.Meta.version==`1.0`", ((V, "1.0"),)),
        ('Service.Meta["version"] == v1', ((V, "v1"),)),
        ('"blue" in Service.Tags', ((f"{T}blue", "true"),)),
        ("Service.Tags contains blue", ((f"{T}blue", "true"),)),
        ("Service.Meta.version == v1 and blue in Service.Tags", ((V, "v1"), (f"{T}blue", "true"))),
    ],
)
def test_metadata_and_tags_are_labels(text: str, labels: object) -> None:
    assert read_filter(text) == tuple(sorted(labels))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "text",
    [
        "Service.Meta.version != v1",
        "not Service.Meta.version == v1",
        "Service.Meta.version == v1 or Service.Meta.version == v2",
        "(Service.Meta.version == v1)",
        "Service.Meta.version matches `v.*`",
        "Node.Meta.zone == a",
        "Service.Meta.version ==",
        "Service.Meta.version == v1 and",
        "Service.Meta is empty",
        'Service.Meta.version == "v1',
        "Service.Meta.version == v1 and Service.Meta.version == v2",
    ],
)
def test_the_rest_is_refused_and_named(text: str) -> None:
    found = read_filter(text)
    assert isinstance(found, str)
    assert text in found
