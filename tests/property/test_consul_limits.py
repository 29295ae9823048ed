"""What translation counts at a pod agrees with the reference evaluator of ServiceDefaults, on random routes."""

from __future__ import annotations

import re
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from builders import namespace, pod, service
from consulworlds import defaults
from tandem.ir.limits import Limit
from tandem.ir.match import Exact, Prefix, Regex, RouteMatch
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.consullimits import counted_by_defaults
from tandem.translate.options import Options
from tandem.translate.world import translate_world

POD = pod("p", labels={"app": "a", "tier": "x", "tandem.io/mesh": "enabled"}, ports={"web": 8080})
PORTS: tuple[list[dict[str, Any]], ...] = (
    [{"port": 80}],
    [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "one", "port": 81}],
    [{"name": "tcp", "port": 80}, {"name": "two", "port": 81, "appProtocol": "grpc"}],
)
SERVICES = (("a", {"app": "a"}), ("b", {"tier": "x"}), ("c", {"app": "c"}))
ROUTES = st.builds(
    lambda path, requests: {**path, "requestsPerSecond": requests},
    st.sampled_from(({"pathExact": "/a"}, {"pathPrefix": "/a"}, {"pathPrefix": "/"}, {"pathRegex": "/[ab]"})),
    st.integers(1, 3),
)
SAID = st.fixed_dictionaries(
    {
        "rateLimits": st.builds(
            lambda requests, routes: {"instanceLevel": {"requestsPerSecond": requests, "routes": routes}},
            st.integers(0, 3),
            st.lists(ROUTES, max_size=3),
        )
    },
    optional={"protocol": st.sampled_from(("tcp", "http", "grpc"))},
)


def _is_of(match: RouteMatch, path: str) -> bool:
    match match.path:
        case Exact(text):
            return path == text
        case Prefix(text):
            return path.startswith(text)
        case Regex(text):
            return re.fullmatch(text, path) is not None
        case _:
            raise AssertionError(match)


def counts(limit: Limit, path: str) -> bool:
    return (not limit.matches or any(_is_of(m, path) for m in limit.matches)) and not any(
        _is_of(m, path) for m in limit.unless
    )


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from("abc"), SAID), st.sampled_from(PORTS), st.sampled_from(("/a", "/b", "/ab", "/c"))
)
def test_limits_count_what_the_objects_say(said: dict[str, Any], ports: list[dict[str, Any]], path: str) -> None:
    services = [service(name, ip=f"10.96.1.{i + 1}", ports=ports, selector=s) for i, (name, s) in enumerate(SERVICES)]
    objects = [defaults(name, **spec) for name, spec in said.items()]
    world = World.of([namespace("default"), POD, *services, *objects])
    own = translate_world(world, Options()).pods["uid-default-p"].limits
    for port in (80, 81, 8080):
        wanted = counted_by_defaults(world, POD, Asked(path=path, port=port))
        found = [o.origin for one in own if port in one.ports for o in one.limits if counts(o, path)]
        assert sorted(map(str, found)) == sorted(str(c.rule) for c in wanted)
