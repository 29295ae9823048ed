"""Cases that Istio's documents describe, in our own words."""

from __future__ import annotations

from typing import Any

import msgspec

from builders import service
from meshworlds import dr, to, vs
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision
from tandem.reference.support import host
from tandem.reference.virtualservices import decide_virtualservices

PORTS = [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]
SUBSETS = dr(host="web", subsets=[{"name": n, "labels": {"version": n}} for n in ("v1", "v2")])
ASK = Request(source_namespace="default", namespace="default", service="web", port=80)


def ask(*objects: Object, **changes: Any) -> RouteDecision | None:
    world = World.of([service("web", ports=PORTS), SUBSETS, *objects])
    return decide_virtualservices(world, msgspec.structs.replace(ASK, **changes), "cluster.local")


def subset(decision: RouteDecision | None) -> str:
    assert decision is not None
    return decision.backends[0].subset if decision.backends else str(decision.status)


def test_a_logged_in_user_sees_another_version() -> None:
    rule = {"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [to("web", "v2")]}
    source = vs(hosts=["web"], http=[rule, {"route": [to("web", "v1")]}])
    assert subset(ask(source, headers={"end-user": "jason"})) == "v2"
    assert subset(ask(source, headers={"end-user": "kim"})) == "v1"
    assert subset(ask(source)) == "v1"


def test_conditions_of_one_match_all_hold_and_one_match_is_enough() -> None:
    both = {"uri": {"prefix": "/a"}, "method": {"exact": "POST"}}
    source = vs(hosts=["web"], http=[{"match": [both, {"uri": {"exact": "/b"}}], "route": [to("web", "v1")]}])
    assert subset(ask(source, path="/a", method="POST")) == "v1"
    assert subset(ask(source, path="/a")) == "404"
    assert subset(ask(source, path="/b")) == "v1"


def test_of_a_match_that_names_gateways_nothing_else_about_sources_counts() -> None:
    one = {"match": [{"gateways": ["mesh"], "sourceLabels": {"app": "x"}}], "route": [to("web", "v2")]}
    assert subset(ask(vs(hosts=["web"], http=[one, {"route": [to("web", "v1")]}]))) == "v2"


def test_an_alias_is_another_name_for_where_a_share_goes() -> None:
    also = service("also", type="ExternalName", externalName="web.default.svc.cluster.local")
    gone = service("gone", type="ExternalName", externalName="web.example.com")
    found = ask(vs(hosts=["web"], http=[{"route": [to("also", "v1")]}]), also, port=81)
    assert found is not None
    assert [(share.service, share.port, share.subset) for share in found.backends] == [("web", 80, "v1")]
    assert subset(ask(vs(hosts=["web"], http=[{"route": [to("gone", "")]}]), gone)) == "503"


def test_a_prefix_is_of_characters() -> None:
    source = vs(hosts=["web"], http=[{"match": [{"uri": {"prefix": "/v1"}}], "route": [to("web", "v1")]}])
    assert subset(ask(source, path="/v10?x=1")) == "v1"


def test_a_header_that_is_absent_does_not_match_without_headers() -> None:
    match = {"withoutHeaders": {"x-bot": {"prefix": "crawl"}}}
    source = vs(hosts=["web"], http=[{"match": [match], "route": [to("web", "v1")]}])
    assert subset(ask(source)) == "v1"
    assert subset(ask(source, headers={"x-bot": "crawler"})) == "404"
    source = vs(hosts=["web"], http=[{"match": [{"withoutHeaders": {"x-bot": {"regex": "*"}}}], "route": [to("web")]}])
    assert subset(ask(source, headers={"x-bot": "1"})) == "404"


def test_routes_for_another_port_or_source_leave_the_request_to_the_service() -> None:
    assert ask(vs(hosts=["web"], http=[{"match": [{"port": 81}], "route": [to("web")]}])) is None
    match = {"sourceLabels": {"app": "x"}, "uri": {"prefix": "/a"}}
    assert ask(vs(hosts=["web"], http=[{"match": [match], "route": [to("web")]}])) is None


def test_a_private_object_is_unknown_elsewhere() -> None:
    source = vs(hosts=["web"], exportTo=["."], http=[{"directResponse": {"status": 418}}])
    assert subset(ask(source)) == "418"
    assert ask(source, source_namespace="shop") is None


def test_an_undefined_subset_keeps_its_share_and_says_503() -> None:
    decision = ask(vs(hosts=["web"], http=[{"route": [to("web", "v1", 1), to("web", "v9", 1)]}]))
    assert decision is not None
    assert [(b.subset, b.status) for b in decision.backends] == [("v1", 0), ("v9", 503)]
    assert subset(ask(vs(hosts=["web"], http=[{"route": [to("web", "v9")]}]))) == "503"


def test_a_refused_object_decides_nothing_and_is_named() -> None:
    assert ask(vs(hosts=["web"], http=[{"route": [to("web")], "delegate": {}}])) is None


def test_hosts_are_short_or_full() -> None:
    assert host("web", "shop", "cluster.local") == ("shop", "web")
    assert host("web.default.svc.cluster.local", "shop", "cluster.local") == ("default", "web")
    assert host("web.default", "shop", "cluster.local") == ("", "web.default")
