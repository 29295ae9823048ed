"""What rules of both kinds of routes have in common."""

from __future__ import annotations

from builders import service
from meshworlds import grpcroute, httproute
from tandem.ir.mesh import Exact, Forward, Regex, Respond, Session
from tandem.model.gateway import BackendRef, HeaderMatch, QueryMatch, SessionCookie, SessionHeader, SessionPersistence
from tandem.model.world import World
from tandem.translate.mesh.attach import AnyRoute
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.filters import Filters
from tandem.translate.mesh.parts import Parts
from tandem.translate.options import Options


def parts(owner: AnyRoute | None = None) -> Parts:
    context = Context(world=World.of([service("web")]), options=Options(), policies={})
    return Parts(owner or httproute(), context, frozenset())


def test_header_names_are_one_without_regard_to_case_and_query_names_are_not() -> None:
    reader = parts()
    headers = [HeaderMatch(name="X", value="1"), HeaderMatch(name="x", value="2")]
    assert reader.named(headers, "at") == [("x", Exact("1"))]
    query = [QueryMatch(name="X", value="1"), QueryMatch(name="x", value="2", type="RegularExpression")]
    assert reader.named(query, "at") == [("X", Exact("1")), ("x", Regex("2"))]


def test_a_pattern_that_envoy_would_refuse_is_a_mistake_at_its_field() -> None:
    reader = parts()
    reader.regex("(?=a)", "spec.x")
    assert [(p.at.path, p.code) for p in reader.problems] == [("spec.x", "InvalidValue")]


def test_a_missing_backend_is_500_to_http_and_503_to_grpc() -> None:
    for owner, status in ((httproute(), 500), (grpcroute(), 503)):
        action = parts(owner).action([BackendRef(name="gone", port=80)], Filters(), "at")
        assert isinstance(action, Respond)
        assert action.status == status
        mixed = parts(owner).action(
            [BackendRef(name="gone", port=80), BackendRef(name="web", port=80)], Filters(), "at"
        )
        assert isinstance(mixed, Forward)
        assert mixed.missing_status == status


def test_sessions_have_a_name_where_the_route_gives_none() -> None:
    reader = parts()
    assert reader.session(None, "at") is None
    assert reader.session(SessionPersistence(), "at") == Session(cookie="Tandem-Session")
    header = SessionPersistence(type="Header", header=SessionHeader(name="x-me"))
    assert reader.session(header, "at") == Session(header="x-me")
    lasting = SessionPersistence(cookie=SessionCookie(lifetime_type="Permanent"), absolute_timeout="1500ms")
    assert reader.session(lasting, "at") == Session(cookie="Tandem-Session", absolute_s=2)
