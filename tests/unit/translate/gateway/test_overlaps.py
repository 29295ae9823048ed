"""Listeners with TLS whose hosts meet, and the condition that tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayworlds import (
    Raw,
    allowing,
    edge,
    gateway,
    https,
    listener,
    listenerset,
    passthrough,
    terminate,
    tls_secret,
    written,
)
from tandem.model.meta import Object


def told(*objects: Object) -> set[str]:
    """The listeners of Gateway edge that are told of others."""
    return {one.name for one in edge(tls_secret(), *objects).facts["default", "edge"].listeners if one.overlaps}


@pytest.mark.parametrize(
    ("listeners", "overlap"),
    [
        ((https("a", hostname="a.test"), https("b", hostname="b.test")), set()),
        ((https("a", hostname="a.test"), https("b", hostname="*.test"), https("c", hostname="c.org")), {"a", "b"}),
        ((passthrough("a"), terminate("b", hostname="b.test")), {"a", "b"}),
        ((passthrough("a"), terminate("b", 8443, hostname="b.test")), set()),
        ((listener("a"), listener("b", hostname="b.test")), set()),
        ((https("a", hostname="a.test"), https("b", hostname="a.test")), set()),
    ],
)
def test_hosts_of_one_port_with_tls_meet(listeners: tuple[Raw, ...], overlap: set[str]) -> None:
    assert told(gateway("edge", *listeners)) == overlap


def test_a_listener_of_another_object_is_not_named() -> None:
    found = edge(
        tls_secret(),
        gateway("edge", https("a", hostname="*.test"), **allowing("Same")),
        listenerset("more", https("b", hostname="b.test")),
    )
    (own,), (other,) = found.facts["default", "edge"].listeners, found.sets["default", "more"].listeners
    assert [("another object" in one.overlaps, "listener b" in one.overlaps) for one in (own, other)] == [
        (True, False),
        (True, False),
    ]


def test_the_condition_is_there_only_where_it_holds() -> None:
    def conditions(*listeners: Raw, status: Any = None) -> list[dict[str, tuple[str, str]]]:
        found = written(tls_secret(), gateway("edge", *listeners, status=status))["Gateway", "edge"]
        states.append(found)
        return [{c["type"]: (c["status"], c["reason"]) for c in one["conditions"]} for one in found["listeners"]]

    states: list[Any] = []
    wide, narrow = https("a", hostname="*.test"), https("b", hostname="b.test")
    first, second = conditions(wide, narrow)
    assert first["OverlappingTLSConfig"] == second["OverlappingTLSConfig"] == ("True", "OverlappingHostnames")
    (alone,) = conditions(wide, status=states[0])
    assert "OverlappingTLSConfig" not in alone
