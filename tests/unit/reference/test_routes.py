"""The reference's answer as a whole: what `tandem explain` prints."""

from __future__ import annotations

import msgspec

from builders import service
from meshworlds import dr, httproute, parent, to, vs
from tandem.model.world import World
from tandem.reference.request import Request
from tandem.reference.routes import decide

WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80}])
ASK = Request(source_namespace="shop", namespace="default", service="web", port=80, path="/v1")


def test_without_routes_a_request_goes_to_the_service() -> None:
    found = decide(World.of([WEB]), ASK)
    assert [(b.service, b.port) for b in found.backends] == [("web", 80)]
    assert found.rule is None
    assert "no route is about" in found.steps[0].text


def test_an_unknown_service_is_said() -> None:
    assert decide(World.of([]), ASK).status == 503


def test_an_httproute_decides_before_a_virtualservice() -> None:
    first = httproute(parentRefs=[parent("web")], rules=[{"backendRefs": [{"name": "web", "port": 80}]}])
    second = vs(hosts=["web"], http=[{"directResponse": {"status": 418}}])
    found = decide(World.of([WEB, first, second]), ASK)
    assert found.rule == first.origin("spec.rules[0]")


def test_the_answer_is_json_and_every_step_has_its_origin() -> None:
    rule = dr(host="web", subsets=[{"name": "v1", "labels": {"version": "v1"}}])
    route = vs(
        hosts=["web"], http=[{"match": [{"uri": {"prefix": "/x"}}], "route": [to("web")]}, {"route": [to("web", "v1")]}]
    )
    found = msgspec.json.decode(msgspec.json.encode(decide(World.of([WEB, rule, route]), ASK)))
    assert found["index"] == 1
    assert found["backends"][0]["labels"] == {"version": "v1"}
    assert [(s["text"], s["origin"]["path"]) for s in found["steps"]] == [
        ("does not match", "spec.http[0]"),
        ("matches", "spec.http[1]"),
    ]
