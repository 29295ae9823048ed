"""References to backends."""

from __future__ import annotations

from builders import service
from meshworlds import httproute
from tandem.base.problems import Problem
from tandem.ir.mesh import Backend
from tandem.model.gateway import BackendObject
from tandem.model.world import World
from tandem.translate.mesh.backends import BackendReader
from tandem.translate.mesh.context import Context
from tandem.translate.options import Options


def test_what_may_not_be_reached_is_a_name_that_nobody_has() -> None:
    problems: list[Problem] = []
    context = Context(world=World.of([service("web"), service("db", namespace="b")]), options=Options(), policies={})
    reader = BackendReader(httproute(), context, frozenset(), problems)
    assert reader.read(BackendObject(name="web", port=80), "x", "refused") == (
        Backend(namespace="default", service="web", port=80),
        True,
    )
    foreign, exists = reader.read(BackendObject(name="db", namespace="b", port=80), "x", "refused")
    assert (foreign.service, exists) == ("db!RefNotPermitted", False)
    assert [(p.code, p.text.endswith(": refused")) for p in problems] == [("RefNotPermitted", True)]
