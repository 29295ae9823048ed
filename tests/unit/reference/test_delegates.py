"""Delegates, as the reference reads them."""

from __future__ import annotations

from typing import Any

from builders import service
from meshworlds import vs
from tandem.model.istio import VirtualService
from tandem.model.world import World
from tandem.reference.delegates import effective
from tandem.reference.request import Request
from tandem.reference.routes import decide

TO: dict[str, Any] = {"route": [{"destination": {"host": "web.default.svc.cluster.local"}}]}
WEB = service("web", ports=[{"name": "http", "port": 80}])
ROOT = vs(
    "root",
    hosts=["web"],
    http=[
        {"match": [{"uri": {"prefix": "/a"}}], "timeout": "3s", "delegate": {"name": "leaf", "namespace": "team"}},
        TO,
    ],
)


def leaf(*routes: dict[str, Any], **spec: Any) -> VirtualService:
    return vs("leaf", ns="team", http=list(routes), **spec)


def rule(path: str, *objects: VirtualService) -> tuple[str, int]:
    request = Request(source_namespace="default", namespace="default", service="web", port=80, path=path)
    found = decide(World.of([WEB, *objects]), request)
    return str(found.rule), found.timeout_ms


def test_a_delegates_route_is_taken_where_both_matches_hold() -> None:
    own = leaf({"match": [{"uri": {"exact": "/a/b"}}], **TO}, {"match": [{"uri": {"prefix": "/c"}}], **TO})
    assert rule("/a/b", ROOT, own) == ("VirtualService team/leaf spec.http[0]", 3000)
    for path in ("/a", "/c"):
        assert rule(path, ROOT, own)[0] == "VirtualService default/root spec.http[1]"


def test_a_delegate_that_is_not_there_leaves_the_route_out() -> None:
    for other in ([], [leaf(TO, hosts=["x"])], [leaf(TO, exportTo=["."])]):
        assert rule("/a", ROOT, *other)[0] == "VirtualService default/root spec.http[1]"


def test_matches_for_gateways_alone_are_none_of_the_meshs() -> None:
    source = vs("s", hosts=["web"], http=[{"match": [{"gateways": ["edge"]}], **TO}, TO])
    assert [one.index for one in effective(World.of([source]), source)] == [1]
