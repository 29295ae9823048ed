"""One spec.http[] of a VirtualService."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import to, vs
from tandem.ir.mesh import DEFAULT_RETRY, Backend, Forward, HeaderEdit, Respond, Retry, Route
from tandem.ir.traffic import Subset, TrafficPolicy
from tandem.model.core import Service
from tandem.model.world import World
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.httproutes import RouteReader
from tandem.translate.options import Options

TWO_PORTS = [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]
GONE = Respond(status=503, body="no destination of this route exists")


def read(*more: Service, **route: Any) -> tuple[Route, list[tuple[str, str]]]:
    world = World.of([service("web"), service("two", ports=TWO_PORTS), *more])
    policy = TrafficPolicy(namespace="default", service="web", subsets=(Subset(name="v1", labels=()),))
    source = vs(hosts=["web"], http=[route])
    reader = RouteReader(source, Context(world=world, options=Options(), policies={("default", "web"): policy}))
    found = reader.read(source.spec.http[0], 0)
    return found, [(p.at.path.removeprefix("spec.http[0]."), p.code) for p in reader.problems]


def one(**route: Any) -> Route:
    found, problems = read(**route)
    assert problems == []
    return found


def backends(route: Route) -> list[tuple[str, int, str, int]]:
    assert isinstance(route.action, Forward)
    return [(b.service, b.port, b.subset, b.weight) for b in route.action.backends]


def test_an_only_destination_has_all_of_the_requests() -> None:
    assert backends(one(route=[to("web", "v1", 0)])) == [("web", 80, "v1", 1)]


def test_weights_are_kept_and_zero_is_left_out() -> None:
    found = one(route=[to("web", "v1", 9), to("web", "", 1), to("two", "", 0)])
    assert backends(found) == [("web", 80, "v1", 9), ("web", 80, "", 1)]


def test_without_a_port_the_only_port_is_meant_else_the_dialled_one() -> None:
    assert backends(one(route=[to("web")]))[0][1] == 80
    assert backends(one(route=[to("two")]))[0][1] == 0
    assert backends(one(route=[to("two", port=81)]))[0][1] == 81


@pytest.mark.parametrize(
    ("ports", "asked", "port"),
    [([{"port": 81}], None, 81), ([{"port": 81}], 80, 80), (TWO_PORTS, None, 0)],
)
def test_an_alias_stands_for_what_it_is_another_name_for(
    ports: list[dict[str, Any]], asked: int | None, port: int
) -> None:
    target = {"destination": {"host": "also", **({"port": {"number": asked}} if asked else {})}}
    world = [service("also", type="ExternalName", externalName="two.default.svc.cluster.local", ports=ports)]
    found, problems = read(*world, route=[target])
    assert problems == []
    assert isinstance(found.action, Forward)
    assert found.action.backends == (Backend(namespace="default", service="two", port=port),)


@pytest.mark.parametrize("name", ["www.example.com", "two", "twice.default.svc.cluster.local"])
def test_an_alias_for_nothing_here_answers_503(name: str) -> None:
    twice = service("twice", type="ExternalName", externalName="two.default.svc.cluster.local")
    found, problems = read(service("also", type="ExternalName", externalName=name), twice, route=[to("also")])
    assert (found.action, problems) == (GONE, [("route[0].destination.host", "HostNotFound")])


def test_what_does_not_exist_answers_503() -> None:
    for destination, where in ((to("gone"), "host"), (to("web", "v9"), "subset"), (to("web", port=9), "port.number")):
        found, problems = read(route=[destination])
        assert found.action == Respond(status=503, body="no destination of this route exists")
        assert problems[0][0] == f"route[0].destination.{where}"


def test_a_missing_destination_keeps_its_share() -> None:
    found, problems = read(route=[to("web", "v1", 1), to("web", "v9", 3)])
    assert backends(found) == [("web", 80, "v1", 1), ("web", 80, "v9", 3)]
    assert [code for _, code in problems] == ["SubsetNotFound"]


def test_the_text_names_the_host_and_the_subsets_that_exist() -> None:
    world = World.of([service("web")])
    policy = TrafficPolicy(namespace="default", service="web", subsets=(Subset(name="v1", labels=()),))
    source = vs(hosts=["web"], http=[{"route": [to("web", "v9")]}])
    reader = RouteReader(source, Context(world=world, options=Options(), policies={("default", "web"): policy}))
    reader.read(source.spec.http[0], 0)
    assert "web.default.svc.cluster.local defines subset 'v9' (they define v1)" in reader.problems[0].text


def test_without_a_word_on_retries_istio_s_default_holds() -> None:
    assert one(route=[to("web")]).retry == DEFAULT_RETRY


def test_retries_can_be_turned_off() -> None:
    assert one(route=[to("web")], retries={"attempts": 0}).retry is None


def test_codes_among_the_retry_conditions_are_kept_apart() -> None:
    found = one(route=[to("web")], retries={"attempts": 3, "perTryTimeout": "2s", "retryOn": "reset, 503,5xx"})
    assert found.retry == Retry(
        attempts=3,
        per_try_timeout_ms=2000,
        retry_on=("reset", "5xx", "retriable-status-codes"),
        retriable_codes=(503,),
    )


def test_a_direct_response_has_status_and_body() -> None:
    assert one(directResponse={"status": 418, "body": {"string": "tea"}}).action == Respond(status=418, body="tea")
    assert one(directResponse={"status": 200, "body": {"bytes": "AP8="}}).action == Respond(status=200, encoded="AP8=")


def test_a_destination_has_header_changes_of_its_own() -> None:
    destination = {**to("web", "", 1), "headers": {"request": {"set": {"X": "destination"}}}}
    found = one(route=[destination, to("two", "", 1)], headers={"request": {"set": {"x": "route"}}})
    assert isinstance(found.action, Forward)
    assert found.request_headers.set == (("x", "route"),)
    assert [b.request_headers.set for b in found.action.backends] == [(("x", "destination"),), ()]


def test_retries_say_how_long_to_wait_and_where_to_go() -> None:
    asked = {"backoff": "1s", "retryIgnorePreviousHosts": False, "retryRemoteLocalities": True}
    retry = one(route=[to("web")], retries=asked).retry
    assert retry is not None
    assert (retry.backoff_ms, retry.previous_hosts, retry.other_localities) == (1000, True, True)
    for said, again in ((True, False), (None, None)):
        given = {"attempts": 2, **({} if said is None else {"retryIgnorePreviousHosts": said})}
        found = one(route=[to("web")], retries=given).retry
        assert found is not None
        assert found.previous_hosts is again


def test_mirrors_whose_destination_is_there_get_a_share_of_copies() -> None:
    found = one(route=[to("web")], mirror={"host": "two"}, mirrorPercentage={"value": 12.5})
    assert [(m.backend.service, m.per_million, m.shadow) for m in found.mirrors] == [("two", 125_000, True)]
    several = [{"destination": {"host": "two"}}, {"destination": {"host": "web"}, "percentage": {"value": 0}}]
    assert [m.per_million for m in one(route=[to("web")], mirrors=several).mirrors] == [1_000_000]
    gone = read(route=[to("web")], mirror={"host": "gone"})
    assert gone[1] == [("mirror.host", "HostNotFound")]
    assert gone[0].mirrors == ()


@pytest.mark.parametrize("name", ["mirrorPercent", "mirror_percent"])
def test_the_share_of_a_mirror_has_an_older_name(name: str) -> None:
    assert [m.per_million for m in one(route=[to("web")], mirror={"host": "two"}, **{name: 3}).mirrors] == [30_000]


def test_a_route_does_one_thing() -> None:
    assert ("spec.http[0]", "InvalidValue") in read(route=[to("web")], redirect={"uri": "/"})[1]


def test_values_that_make_no_sense_are_named_at_their_field() -> None:
    assert read()[1] == [("route", "InvalidValue")]
    assert read(route=[to("web", "", 0), to("two", "", 0)])[1] == [("route", "InvalidValue")]
    assert read(route=[to("web")], timeout="soon")[1] == [("timeout", "InvalidValue")]
    assert read(directResponse={"status": 99})[1] == [("directResponse.status", "InvalidValue")]


@pytest.mark.parametrize("verb", ["set", "add"])
@pytest.mark.parametrize("name", ["Host", ":authority"])
def test_the_host_that_is_set_or_added_takes_the_place_of_the_clients(verb: str, name: str) -> None:
    found = one(route=[to("web")], headers={"request": {verb: {name: "x"}}}).request_headers
    assert found == HeaderEdit(set=((name.lower(), "x"),))


def test_the_host_is_not_otherwise_changed() -> None:
    found = read(route=[to("web")], headers={"request": {"remove": ["host"]}, "response": {"set": {"host": "x"}}})[1]
    assert found == [
        ("headers.request.remove[host]", "UnsupportedValue"),
        ("headers.response.set[host]", "UnsupportedValue"),
    ]


def test_values_of_headers_may_be_put_together_of_the_request() -> None:
    asked = {"set": {"x": "%REQ(x-a)% 100%%"}, "add": {"y": "%NO_SUCH%"}}
    found, problems = read(route=[to("web")], headers={"request": asked})
    assert found.request_headers.set == (("x", "%REQ(x-a)% 100%%"),)
    assert problems == [("headers.request.add[y]", "UnsupportedValue")]
