"""What is changed of requests to a pod before the application has them: filters of routes at Servers."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin
from tandem.ir.match import RouteMatch
from tandem.ir.mesh import HeaderEdit, Redirect


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Headers of requests and answers that become others; with `redirect` the client is sent elsewhere."""

    request: HeaderEdit = HeaderEdit()
    response: HeaderEdit = HeaderEdit()
    redirect: Redirect | None = None


class Served(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests of one match, which those before it leave; without a change they are handed on as they are."""

    ports: tuple[int, ...]
    """Of the pod."""
    match: RouteMatch
    change: Change = Change()
    origin: Origin
