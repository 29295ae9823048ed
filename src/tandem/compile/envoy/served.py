"""What is changed of requests to a pod -> entries of its inbound routes, before those that hand everything on. Pure.

All ports of a pod share their routes, so that what judges is the newest on whatever connection. A chain tells routes
its port where anything is changed at it: connections from before are judged as all are, and changed nothing of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tandem.compile.envoy.action import redirect
from tandem.compile.envoy.headers import edits
from tandem.compile.envoy.match import route_match
from tandem.compile.envoy.proto import Json, any_of
from tandem.ir.fabric import LocalPod
from tandem.ir.served import Served

HTTP: Final = 80
_PORT: Final = "tandem.port"
"""Filter state that tells routes at which port a connection came in."""


def served_ports(pod: LocalPod) -> frozenset[int]:
    """Ports at which anything is changed."""
    return frozenset(port for one in pod.served for port in one.ports)


def telling(pod: LocalPod, port: int) -> list[Json]:
    """The filter of a chain that tells its port, where anything is changed there."""
    if port not in served_ports(pod):
        return []
    text = {"text_format_source": {"inline_string": str(port)}}
    state = {"object_key": _PORT, "factory_key": "envoy.string", "format_string": text}
    config = any_of("extensions.filters.network.set_filter_state.v3.Config", {"on_new_connection": [state]})
    return [{"name": "port", "typed_config": config}]


def served_routes(served: Iterable[Served], ports: Iterable[int], ways: Iterable[Json]) -> Iterator[Json]:
    """The entries of these ports in their order, each for all of the `ways` to the application: for every request."""
    every, all_served = tuple(ways), tuple(served)
    for port in sorted(ports):
        for one in all_served:
            if port in one.ports:
                yield from _entries(one, port, every)


def _entries(one: Served, port: int, ways: tuple[Json, ...]) -> Iterator[Json]:
    here = [{"key": _PORT, "string_match": {"exact": str(port)}}]
    match, change = {**route_match(one.match), "filter_state": here}, one.change
    if change.redirect is not None:
        kept = {name: value for name, value in ways[0].items() if name not in {"match", "route"}}
        # Which port the client has written is not known here: beside another host it is none of ours.
        sent = redirect(change.redirect, one.match, HTTP if change.redirect.host else port)
        yield {**kept, "match": match, **edits("response", change.response), "redirect": sent}
        return
    edited = {**edits("request", change.request), **edits("response", change.response)}
    for way in ways:
        yield {**way, "match": _both(match, way["match"]), **edited}


def _both(match: Json, way: Json) -> Json:
    """A match that asks for what a way asks beside its path."""
    headers = [*match.get("headers", ()), *way.get("headers", ())]
    states = [*match["filter_state"], *way.get("filter_state", ())]
    return {**match, "filter_state": states, **({"headers": headers} if headers else {})}
