"""Entries of inbound routes that change something; tests/golden/envoy/inbound-served has them whole."""

from __future__ import annotations

from typing import Any

import msgspec

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.inbound import compile_inbound_routes
from tandem.compile.envoy.served import served_ports, telling
from tandem.ir.match import Exact, HeaderMatch, RouteMatch
from tandem.ir.mesh import HeaderEdit, Redirect
from tandem.ir.served import Change, Served

ORIGIN = Origin(kind="LinkerdHTTPRoute", namespace="shop", name="r")
POD = attached("a", "10.244.0.2").pod


def entries(*served: Served) -> list[dict[str, Any]]:
    """Those of the one route configuration of the pod."""
    (made,) = compile_inbound_routes(msgspec.structs.replace(POD, served=served))
    found: list[dict[str, Any]] = made.body["virtual_hosts"][0]["routes"]
    return found


def at(path: str, change: Change) -> Served:
    headers = (HeaderMatch(name=":authority", match=Exact("web.test")),)
    match = RouteMatch(path=Exact(path), headers=headers)
    return Served(ports=(8080,), match=match, change=change, origin=ORIGIN)


def ports_asked(entry: dict[str, Any]) -> list[str]:
    states = entry["match"].get("filter_state", ())
    return [state["string_match"]["exact"] for state in states if state["key"] == "tandem.port"]


def test_entries_that_change_come_first_and_ask_for_their_port() -> None:
    plain = entries()
    found = entries(at("/a", Change(request=HeaderEdit(remove=("x",)))))
    assert found[-len(plain) :] == plain
    changed = found[: -len(plain)]
    assert len(changed) == len(plain)
    assert {one["match"]["path"] for one in changed} == {"/a"}
    assert [ports_asked(one) for one in found] == [*[["8080"]] * len(plain), *[[]] * len(plain)]
    assert {tuple(one["request_headers_to_remove"]) for one in changed} == {("x",)}
    assert [one["route"]["cluster"] for one in changed] == [one["route"]["cluster"] for one in plain]
    assert all(one["match"]["headers"][0]["name"] == ":authority" for one in changed)


def test_a_redirect_is_one_entry_without_a_cluster() -> None:
    first = entries(at("/a", Change(redirect=Redirect(status=301, host="new.test"))))[0]
    assert first["redirect"] == {"response_code": "MOVED_PERMANENTLY", "host_redirect": "new.test"}
    assert ports_asked(first) == ["8080"]
    assert "route" not in first


def test_the_chain_of_a_port_tells_it_where_something_is_changed() -> None:
    pod = msgspec.structs.replace(POD, served=(at("/a", Change(request=HeaderEdit(remove=("x",)))),))
    assert [len(telling(pod, port)) for port in (8080, 9090)] == [1, 0]
    assert served_ports(pod) == {8080}
