"""What is refused as a whole."""

from __future__ import annotations

import pytest

from builders import service
from meshworlds import dr, httproute, parent, to, vs
from tandem.model.world import World
from tandem.reference.support import refused, seconds_ms

WORLD = World.of([service("web")])


def test_supported_objects_are_not_refused() -> None:
    assert refused(WORLD, vs(hosts=["web"], http=[{"route": [to("web")], "timeout": "1s"}])) == ""
    assert refused(WORLD, dr(host="web", trafficPolicy={"tls": {"mode": "DISABLE"}})) == ""
    assert refused(WORLD, httproute(parentRefs=[parent("web")], rules=[{}])) == ""


def test_the_reason_is_the_field() -> None:
    assert refused(WORLD, vs(hosts=["web"], http=[{"route": [to("web")], "timeout": "x"}])) == "spec.http[0].timeout"
    assert refused(WORLD, dr(host="web", trafficPolicy={"tunnel": {"targetHost": "a", "targetPort": 1}})) == "tunnel"
    assert "ExtensionRef" in refused(WORLD, httproute(rules=[{"filters": [{"type": "ExtensionRef"}]}]))


@pytest.mark.parametrize(("text", "expected"), [("", 0), ("1.5s", 1500), ("1m1ms", 60_001), ("x", -1), ("1", -1)])
def test_durations(text: str, expected: int) -> None:
    assert seconds_ms(text) == expected
