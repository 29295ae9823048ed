"""What rules of both kinds of routes have in common."""

from __future__ import annotations

from builders import service
from meshworlds import grpcroute, httproute
from tandem.ir.mesh import Forward, Respond, Session
from tandem.model.gateway import BackendRef, SessionCookie, SessionHeader, SessionPersistence
from tandem.model.world import World
from tandem.translate.mesh.attach import AnyRoute
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.filters import Filters
from tandem.translate.mesh.parts import Parts
from tandem.translate.options import Options


def parts(owner: AnyRoute | None = None) -> Parts:
    context = Context(world=World.of([service("web")]), options=Options(), policies={})
    return Parts(owner or httproute(), context, frozenset())


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
