"""What a client's own ServiceDefaults say of its calls."""

from __future__ import annotations

from builders import pod, service
from consulworlds import defaults
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.calls import of_calls
from tandem.reference.request import Share

CLIENT = pod("c", labels={"app": "web"})
WEB, DB = service("web", selector={"app": "web"}), service("db")


def told(*objects: Object, service: str = "db") -> list[tuple[str, str]]:
    share = Share(namespace="default", service=service, port=80)
    found = of_calls(World.of([CLIENT, WEB, DB, *objects]), CLIENT, share)
    return [(step.text.partition(": ")[2], str(step.origin)) for step in found]


def test_one_that_is_named_comes_before_all_others_part_by_part() -> None:
    said = defaults(
        "web",
        upstreamConfig={
            "defaults": {"limits": {"maxConnections": 3}, "connectTimeoutMs": 5},
            "overrides": [{"name": "gone"}, {"name": "db", "passiveHealthCheck": {}, "connectTimeoutMs": 7}],
        },
    )
    text = "7 ms to connect, at most 3 connections, an endpoint that fails 5 times in a row rests"
    assert told(said) == [(text, "ServiceDefaults default/web spec.upstreamConfig.overrides[1]")]
    text = "5 ms to connect, at most 3 connections"
    assert told(said, service="x") == [(text, "ServiceDefaults default/web spec.upstreamConfig.defaults")]


def test_others_say_nothing_of_its_calls() -> None:
    bound = {"defaults": {"connectTimeoutMs": 5}}
    assert told(defaults("db", upstreamConfig=bound)) == []
    assert told(defaults("gone", upstreamConfig=bound)) == []
    assert told(defaults("web", upstreamConfig={"overrides": [{"name": "db"}]})) == []
