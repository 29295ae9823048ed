"""What no object of Consul may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from consulworlds import permission, source
from tandem.model.schema import validate

DESTINATION = {"name": "web"}


def mistakes(kind: str, spec: dict[str, Any]) -> list[str]:
    meta = {"name": "web", "namespace": "shop"}
    return validate({"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": kind, "metadata": meta, "spec": spec})


def of_intentions(*sources: Any, **spec: Any) -> list[str]:
    return mistakes("ServiceIntentions", {"destination": DESTINATION, "sources": list(sources), **spec})


@pytest.mark.parametrize(
    "one",
    [
        source("a", "deny", description="says who"),
        source("*", namespace="*"),
        source("a", permissions=[permission("deny", pathPrefix="/a", methods=["GET", "PUT"]), permission()]),
        source(
            "a", permissions=[permission(header=[{"name": "x", "prefix": "a", "ignoreCase": True, "invert": True}])]
        ),
        source("a", peer="p"),
    ],
)
def test_sound_intentions_are_taken(one: Any) -> None:
    assert of_intentions(one) == []


@pytest.mark.parametrize(
    ("sources", "path"),
    [
        ([], "spec.sources: at least one"),
        ([source("a"), source("a", "deny")], "spec.sources[1]: Duplicate value"),
        ([{"name": "a"}], "spec.sources[0]: needs action"),
        ([{"action": "allow"}], "spec.sources[0].name: Required"),
        ([{**source("a"), "permissions": [permission()]}], "spec.sources[0].permissions: may not"),
        ([source("a", "maybe")], "spec.sources[0].action: Unsupported"),
        ([source("a*")], "spec.sources[0].name: Invalid"),
        ([source("a", namespace="*")], "spec.sources[0].name: Invalid"),
        ([source("*", namespace="s*")], "spec.sources[0].namespace: Invalid"),
        ([source("a", peer="p", partition="x")], "spec.sources[0].peer: may not"),
        ([source("a", description="x" * 513)], "spec.sources[0].description: at most"),
        ([source("a", until="noon")], "spec.sources[0].until: unknown field"),
        ([source("a", permissions=[permission("")])], "spec.sources[0].permissions[0].action: is required"),
    ],
)
def test_intentions_that_are_not(sources: list[Any], path: str) -> None:
    (found,) = of_intentions(*sources)
    assert found.startswith(path)


@pytest.mark.parametrize(
    ("http", "path"),
    [
        ({"pathExact": "/a", "pathRegex": "/b"}, "pathRegex: may not"),
        ({"pathPrefix": "a"}, "pathPrefix: Invalid"),
        ({"pathRegex": "("}, "pathRegex: "),
        ({"methods": ["GET", "GET"]}, "methods[1]: 'GET' occurs twice"),
        ({"methods": ["BREW"]}, "methods[0]: Unsupported"),
        ({"methods": [""]}, "methods[0]: must not be empty"),
        ({"header": [{"name": "x"}]}, "header[0]: needs one of"),
        ({"header": [{"name": "x", "exact": "1", "regex": "2"}]}, "header[0].regex: may not"),
        ({"header": [{"name": "x", "present": True, "ignoreCase": True}]}, "header[0].ignoreCase: does not"),
    ],
)
def test_permissions_that_are_not(http: Any, path: str) -> None:
    (found,) = of_intentions(source("a", permissions=[{"action": "allow", "http": http}]))
    assert found.startswith(f"spec.sources[0].permissions[0].http.{path}")
