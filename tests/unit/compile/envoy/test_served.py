"""Entries of inbound routes that change something; tests/golden/envoy/inbound-served has them whole."""

from __future__ import annotations

from typing import Any

import msgspec

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.inbound import compile_inbound_routes
from tandem.ir.match import Exact, HeaderMatch, RouteMatch
from tandem.ir.mesh import HeaderEdit, Redirect
from tandem.ir.served import Change, Served

ORIGIN = Origin(kind="LinkerdHTTPRoute", namespace="shop", name="r")
POD = attached("a", "10.244.0.2").pod


def entries(*served: Served) -> dict[str, list[dict[str, Any]]]:
    """By the name of a route configuration its entries."""
    made = compile_inbound_routes(msgspec.structs.replace(POD, served=served))
    return {one.name: one.body["virtual_hosts"][0]["routes"] for one in made}


def at(path: str, change: Change) -> Served:
    headers = (HeaderMatch(name=":authority", match=Exact("web.test")),)
    match = RouteMatch(path=Exact(path), headers=headers)
    return Served(ports=(8080,), match=match, change=change, origin=ORIGIN)


def test_ports_with_changes_have_routes_of_their_own_and_others_stay() -> None:
    (plain,) = entries().values()
    whole, own = entries(at("/a", Change(request=HeaderEdit(remove=("x",))))).values()
    assert whole == plain
    assert own[-len(plain) :] == plain
    changed = own[: -len(plain)]
    assert len(changed) == len(plain)
    assert {one["match"]["path"] for one in changed} == {"/a"}
    assert {tuple(one["request_headers_to_remove"]) for one in changed} == {("x",)}
    assert [one["route"]["cluster"] for one in changed] == [one["route"]["cluster"] for one in plain]
    assert all(one["match"]["headers"][0]["name"] == ":authority" for one in changed)


def test_a_redirect_is_one_entry_without_a_cluster() -> None:
    _, own = entries(at("/a", Change(redirect=Redirect(status=301, host="new.test")))).values()
    assert own[0]["redirect"] == {"response_code": "MOVED_PERMANENTLY", "host_redirect": "new.test"}
    assert "route" not in own[0]
