"""Which BackendTLSPolicy counts for a port: what is kept in tables against the API's sentences, read one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import service
from gatewayworlds import world
from property.worlds import budget
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.core import Service
from tandem.model.world import World
from tandem.translate.gateway.backendtls import read_claims, settle
from tlsworlds import backend_tls, target

PORTS = [{"name": "a", "port": 1}, {"name": "b", "port": 2}, {"name": "u", "port": 3, "protocol": "UDP"}]
SERVICES = (service("web", ports=PORTS), service("api", ports=PORTS[:1]))
SECTIONS = st.sampled_from(("", "a", "b", "u", "gone"))


@st.composite
def policies(draw: st.DrawFn) -> list[BackendTLSPolicy]:
    found = []
    for name in draw(st.lists(st.sampled_from("pqrst"), unique=True, max_size=5)):
        refs: dict[tuple[str, str], Any] = {}
        for where in draw(st.lists(st.sampled_from(("web", "api", "none")), min_size=1, max_size=3)):
            section = draw(SECTIONS)
            refs[where, section] = target(where, section)
        second = draw(st.integers(0, 2))
        found.append(backend_tls(name, *refs.values(), created=f"2026-01-01T00:00:0{second}Z"))
    return found


def expected(found: list[BackendTLSPolicy], front: Service, number: int) -> str:
    """The name of the policy that counts, read from the API's words; empty for none."""
    (port,) = (p for p in front.spec.ports if p.port == number)
    if port.protocol != "TCP":
        return ""
    for section in (port.name, ""):
        naming = [
            policy
            for policy in found
            if any((ref.name, ref.section_name) == (front.metadata.name, section) for ref in policy.spec.target_refs)
        ]
        if naming:
            first = min(naming, key=lambda p: (p.metadata.creation_timestamp, *p.key))
            return first.metadata.name
    return ""


@settings(max_examples=budget(200))
@given(policies())
def test_the_policy_that_counts_is_the_one_that_the_api_says(found: list[BackendTLSPolicy]) -> None:
    made: World = world(*SERVICES, *found)
    claims = [claim for policy in made.oldest_first(BackendTLSPolicy) for claim in read_claims(made, policy)[0]]
    counts, lost = settle(claims)
    for front in SERVICES:
        for port in front.spec.ports:
            claim = counts.get((front.key, port.port))
            assert (claim.policy[1] if claim is not None else "") == expected(found, front, port.port)
    for loser, winner in lost:
        assert (loser.service, loser.section) == (winner.service, winner.section)
