"""Which of Consul's routing objects are refused."""

from __future__ import annotations

from consulworlds import resolver, route, router, split, splitter, versions
from tandem.reference.consulsupport import in_force, subset_labels


def test_what_is_supported_is_in_force() -> None:
    assert in_force(router("a", route("b"))) is not None
    assert in_force(splitter("a", split(100))) is not None
    assert in_force(resolver("a", subsets=versions("v1"))) is not None


def test_what_is_not_is_refused() -> None:
    assert in_force(router("a", route(match={"pathRegex": "(?=a)"}))) is None
    assert in_force(router("a", route(idleTimeout="soon"))) is None
    assert in_force(splitter("a", split(100, requestHeaders={"set": {"Host": "x"}}))) is None
    assert in_force(resolver("a", defaultSubset="v1")) is None
    assert in_force(resolver("a", subsets={"v1": {"filter": "Node.ID == x"}})) is None


def test_filters() -> None:
    assert subset_labels('Service.Meta["a"] == "b c" and x in Service.Tags') == {
        "consul.hashicorp.com/service-meta-a": "b c",
        "consul.hashicorp.com/service-tag-x": "true",
    }
    assert subset_labels("Service.Meta.a == b or Service.Meta.a == c") is None
