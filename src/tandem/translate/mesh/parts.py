"""What rules of HTTPRoutes and GRPCRoutes have in common -> parts of Routes, with Problems at the exact field. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.mesh import (
    Backend,
    Forward,
    Redirect,
    Respond,
    Rewrite,
    RouteAction,
    Session,
)
from tandem.model.gateway import BackendRef, HTTPRoute, SessionPersistence
from tandem.model.grpcroute import GRPCRoute
from tandem.model.linkerd import LinkerdHTTPRoute
from tandem.model.world import Key
from tandem.translate.mesh.attach import AnyRoute
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.filters import OF_BACKENDS, FilterReader, Filters
from tandem.translate.mesh.matching import MatchReader
from tandem.translate.mesh.values import duration

SESSION: Final = "Tandem-Session"
"""The cookie or header of a session where the route names none."""
MISSING: Final[dict[type[AnyRoute], tuple[int, str]]] = {HTTPRoute: (500, "500"), GRPCRoute: (503, "UNAVAILABLE")}
"""The HTTP status of what would have gone to a backend that does not exist, and how its clients call it."""


PARENT: Final = Backend(namespace="", service="")
"""The Service that a route is attached to, whichever it is (`layers.py`)."""
MILLION: Final = 1_000_000
_OF_HTTP: Final = frozenset({"RequestRedirect", "URLRewrite"})
"""What a backend of an HTTPRoute may have beside changes of headers."""


def read_session(asked: SessionPersistence, absolute_ms: int) -> Session:
    """A session; `absolute_ms`: how long one lasts at most, 0: for ever."""
    if asked.type == "Header":
        return Session(header=asked.header.name if asked.header is not None else SESSION.lower())
    permanent = asked.cookie.lifetime_type == "Permanent"
    return Session(
        cookie=asked.cookie.name or SESSION,
        path=asked.cookie.path or "/",
        absolute_s=-(-absolute_ms // 1000) if permanent else 0,
    )


class _Share(msgspec.Struct, frozen=True, kw_only=True):
    """One backend, and what is done with its requests alone."""

    backend: Backend
    exists: bool
    redirect: Redirect | None
    rewrite: Rewrite | None


class Parts:
    """Reads parts of one route's rules and gathers what is wrong with them.

    `parents` are its parent Services; none: the route is read for gateways.
    """

    def __init__(self, owner: AnyRoute, context: Context, parents: frozenset[Key]) -> None:
        self._owner = owner
        self._missing, self._answer = MISSING[GRPCRoute if isinstance(owner, GRPCRoute) else HTTPRoute]
        self.problems: list[Problem] = []
        self.matches = MatchReader(self.wrong)
        self._backends = BackendReader(owner, context, parents, self.problems)
        own = OF_BACKENDS | _OF_HTTP if isinstance(owner, HTTPRoute) else OF_BACKENDS
        self.filters = FilterReader(self._backends, self.wrong, own, edge=not parents)

    def action(self, refs: Sequence[BackendRef], filters: Filters, at: str) -> RouteAction:
        """Where the requests of a rule go: to its backends by weight; none of them has an action of its own."""
        ((_, action),) = self.actions(refs, filters, at)
        return action

    def actions(self, refs: Sequence[BackendRef], filters: Filters, at: str) -> list[tuple[int, RouteAction]]:
        """The same where backends may have redirects and rewrites of their own.

        Backends with the same ones are together; before each action is the lot up to which it holds (0: the rest).
        """
        if not refs and isinstance(self._owner, LinkerdHTTPRoute):
            other = filters.rewrite or Rewrite()
            return [(0, Forward(backends=(PARENT,), missing_status=self._missing, rewrite=other))]
        shares = [self._share(ref, f"{at}.backendRefs[{j}]") for j, ref in enumerate(refs)]
        used = [share for share in shares if share.backend.weight > 0]
        if not used:
            return [(0, Respond(status=self._missing, body="the rule has no backend with a weight above 0"))]
        groups: dict[tuple[Redirect | None, Rewrite | None], list[_Share]] = {}
        for share in used:
            groups.setdefault((share.redirect, share.rewrite), []).append(share)
        total = sum(share.backend.weight for share in used)
        reached, found = 0, []
        for (redirect, rewrite), members in groups.items():
            reached += sum(share.backend.weight for share in members)
            action = redirect or self._sent(members, rewrite or filters.rewrite or Rewrite())
            found.append((round(reached * MILLION / total) if reached < total else 0, action))
        return found

    def _sent(self, shares: Sequence[_Share], rewrite: Rewrite) -> RouteAction:
        if not any(share.exists for share in shares):
            return Respond(status=self._missing, body="no backend of this rule exists")
        backends = tuple(share.backend for share in shares)
        return Forward(backends=backends, missing_status=self._missing, rewrite=rewrite)

    def _share(self, ref: BackendRef, at: str) -> _Share:
        """A backend with its weight and its own filters, and whether it exists and may be used."""
        backend, exists = self._backends.read(ref, at, f"its share is answered with {self._answer}")
        filters = self.filters.of_backend(ref.filters, at)
        backend = msgspec.structs.replace(
            backend, weight=ref.weight, request_headers=filters.request, response_headers=filters.response
        )
        return _Share(backend=backend, exists=exists, redirect=filters.redirect, rewrite=filters.rewrite)

    def session(self, asked: SessionPersistence | None, at: str) -> Session | None:
        """What a rule says of sessions."""
        return (
            read_session(asked, self.duration(asked.absolute_timeout, f"{at}.absoluteTimeout"))
            if asked is not None
            else None
        )

    def duration(self, text: str, at: str) -> int:
        """Milliseconds, or 0 and a Problem."""
        return duration(text, at, self.wrong, such_as="500ms or 10s")

    def wrong(self, path: str, code: str, text: str) -> None:
        """Note a Problem at a field of the route."""
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
