"""What permissions ask of a request."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from consulworlds import Raw, intentions, jwt, permission, provider, source
from tandem.ir.authz import Attribute, Contains, Requirement, Requirements, Suffix
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.model.world import World
from tandem.translate.mesh.consul.permissions import Permission, read_permissions
from tandem.translate.mesh.consul.tokens import Providers


def read(*given: Raw) -> tuple[tuple[Permission, ...], list[tuple[str, str]]]:
    owner = intentions("web", source("a", permissions=list(given)))
    (asked,) = owner.spec.sources
    told: list[tuple[str, str]] = []
    tokens = partial(Providers(World.of([provider("p")]), "istio-system").asked, owner)
    wrong = partial(_told, told)
    return read_permissions(asked.permissions, "spec.sources[0]", wrong, tokens), told


def _told(told: list[tuple[str, str]], path: str, code: str, _: str) -> None:
    told.append((path, code))


def asks(action: str = "allow", **http: Any) -> Requirements:
    ((one,), told) = read(permission(action, **http))
    assert told == []
    return one.asks


@pytest.mark.parametrize(
    ("http", "value"),
    [
        ({"pathExact": "/a"}, Exact("/a")),
        ({"pathPrefix": "/a"}, Prefix("/a")),
        ({"pathRegex": "/a.*"}, Regex("/a.*")),
    ],
)
def test_paths(http: Any, value: Any) -> None:
    assert asks(**http) == (Requirement(attribute=Attribute.PATH, values=(value,)),)


def test_one_of_the_methods() -> None:
    assert asks(methods=["GET", "PUT"]) == (
        Requirement(attribute=Attribute.METHOD, values=(Exact("GET"), Exact("PUT"))),
    )


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"present": True}, Present()),
        ({"exact": "1"}, Exact("1")),
        ({"prefix": "1"}, Prefix("1")),
        ({"suffix": "1"}, Suffix("1")),
        ({"contains": "1"}, Contains("1")),
        ({"regex": "1+"}, Regex("1+")),
    ],
)
def test_headers_and_their_absence(given: Any, value: Any) -> None:
    (found,) = asks(header=[{"name": "X-A", **given}])
    assert (found.name, found.values, found.refuses) == ("x-a", (value,), ())
    (denied,) = asks("deny", header=[{"name": "X-A", **given, "invert": True}])
    assert (denied.values, denied.refuses) == ((), (value,))
    # An allowance does not count on a header that is not there, unless that is what it asks for.
    (allowed,) = asks("allow", header=[{"name": "X-A", **given, "invert": True}])
    assert allowed.values == (() if given == {"present": True} else (Present(),))


def test_letters_may_be_large_or_small() -> None:
    (found,) = asks(header=[{"name": "x", "exact": "a", "ignoreCase": True}])
    assert found.ignore_case


@pytest.mark.parametrize(
    ("given", "path", "code"),
    [
        ({"jwt": {"providers": []}}, "jwt.providers", "InvalidValue"),
        ({"jwt": jwt("p", "gone")}, "jwt.providers[1].name", "ProviderNotFound"),
        ({"http": {"pathRegex": "(?=a)"}}, "http.pathRegex", "InvalidValue"),
        ({"http": {"header": [{"name": ":path", "exact": "/"}]}}, "http.header[0].name", "UnsupportedField"),
        ({"http": {"header": [{"name": "Host", "exact": "a"}]}}, "http.header[0].name", "UnsupportedField"),
        ({"http": {"header": [{"name": "x", "regex": "(?=a)"}]}}, "http.header[0].regex", "InvalidValue"),
    ],
)
def test_what_cannot_be_judged_allows_nothing_or_denies_everything(given: Raw, path: str, code: str) -> None:
    found, told = read({"action": "allow", **given}, {"action": "deny", **given})
    at = "spec.sources[0].permissions"
    assert found == (Permission(allows=False, asks=(), path=f"{at}[1]"),)
    assert told == [(f"{at}[{i}].{path}", code) for i in (0, 1)]


def test_tokens_are_asked_for_by_what_allows() -> None:
    found, told = read(*({**permission(action, pathExact="/a"), "jwt": jwt("p")} for action in ("allow", "deny")))
    assert told == []
    assert [[r.attribute for r in way] for way in found[0].ways] == [[Attribute.PATH, Attribute.CLAIM]]
    assert found[1].ways == (found[1].asks,)
