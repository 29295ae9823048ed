"""What nobody understands of a policy never opens anything: whatever field it is, and wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from property.worlds import NAMES, budget, worlds
from tandem.model import core
from tandem.model.closing import read_policy
from tandem.model.kinds import POLICIES
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference import policy as reference

Place = tuple[str | int, ...]
OUTSIDE = ("203.0.113.7", "2001:db8::1")
PORTS = (("TCP", 80), ("UDP", 53), ("ICMP", 0))
OTHER: dict[type, Any] = {dict: ["x"], list: "x", str: {"x": 1}, int: ["x"], bool: "x"}
"""A value of another type."""


def places(value: Any, at: Place) -> Iterator[Place]:
    """Every place in a value, that of keys in maps of labels left out: any label is known."""
    yield at
    if isinstance(value, dict) and at[-1:] != ("matchLabels",):
        for name, part in value.items():
            yield from places(part, (*at, name))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from places(part, (*at, i))


def at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def raw_of(policy: Object) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(policy))
    found.setdefault("spec", {})
    return found


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[World, Object, Object]:
    """A World, one of its policies, and the same with something in it that nobody understands."""
    world = draw(worlds().filter(lambda w: any(o.kind in POLICIES for o in w.objects())))
    policy = draw(st.sampled_from([o for o in world.objects() if o.kind in POLICIES]))
    raw = raw_of(policy)
    place = draw(st.sampled_from(list(places(raw["spec"], ("spec",)))))
    part = at(raw, place)
    if isinstance(part, dict) and place[-1] != "matchLabels" and draw(st.booleans()):
        part["newer"] = draw(st.sampled_from(({}, True, ["x"])))
    else:
        at(raw, place[:-1])[place[-1]] = OTHER[type(part)]
    return world, policy, read_policy(raw)


@settings(max_examples=budget(150), suppress_health_check=[HealthCheck.too_slow])
@given(spoilt())
def test_what_is_not_understood_opens_nothing(drawn: tuple[World, Object, Object]) -> None:
    world, before, after = drawn
    assert after.key == before.key
    assert after.metadata.unreadable
    spoilt_world = world.with_changes(before.kind, {after.key: after}, synced=True)
    old, new = (reference.Evaluator(w, names=NAMES) for w in (world, spoilt_world))
    pods = [a for p in world.sorted(core.Pod) if not p.finished for a in p.addresses]
    for source in (*pods, *OUTSIDE):
        for destination in (*pods, *OUTSIDE):
            if (":" in source) != (":" in destination) or not {source, destination} & {*pods}:
                continue
            for protocol, port in PORTS:
                asked = reference.Packet(source=source, destination=destination, protocol=protocol, port=port)
                assert old.decide(asked).allowed or not new.decide(asked).allowed, asked
