"""Changes of requests go over the wire as they are."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin
from tandem.ir.match import Exact, RouteMatch
from tandem.ir.mesh import HeaderEdit, Redirect
from tandem.ir.served import Change, Served


def test_what_is_served_comes_back_as_it_was() -> None:
    change = Change(request=HeaderEdit(remove=("a",)), redirect=Redirect(status=301))
    origin = Origin(kind="HTTPRoute", namespace="shop", name="r")
    one = Served(ports=(80,), match=RouteMatch(path=Exact("/a")), change=change, origin=origin)
    assert msgspec.json.decode(msgspec.json.encode(one), type=Served) == one
