"""What is changed of requests to a pod -> entries of its inbound routes, before those that hand everything on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tandem.compile.envoy.action import redirect
from tandem.compile.envoy.headers import edits
from tandem.compile.envoy.match import route_match
from tandem.compile.envoy.proto import Json
from tandem.ir.fabric import LocalPod
from tandem.ir.served import Served

HTTP: Final = 80


def served_at(pod: LocalPod, port: int) -> tuple[Served, ...]:
    """What counts at a port."""
    return tuple(one for one in pod.served if port in one.ports)


def served_ports(pod: LocalPod) -> frozenset[int]:
    """Ports at which anything does."""
    return frozenset(port for one in pod.served for port in one.ports)


def served_routes(served: Iterable[Served], port: int, ways: Iterable[Json]) -> Iterator[Json]:
    """The entries in their order, each for all of the `ways` to the application: routes for every request."""
    every = tuple(ways)
    for one in served:
        match, change = route_match(one.match), one.change
        if change.redirect is not None:
            (first, *_) = every
            kept = {name: value for name, value in first.items() if name not in {"match", "route"}}
            # Which port the client has written is not known here: beside another host it is none of ours.
            sent = redirect(change.redirect, one.match, HTTP if change.redirect.host else port)
            yield {**kept, "match": match, **edits("response", change.response), "redirect": sent}
            continue
        for way in every:
            edited = {**edits("request", change.request), **edits("response", change.response)}
            yield {**way, "match": _both(match, way["match"]), **edited}


def _both(match: Json, way: Json) -> Json:
    """A match that asks for what a way asks beside its path."""
    more = {name: value for name, value in way.items() if name not in {"prefix", "headers"}}
    headers = [*match.get("headers", ()), *way.get("headers", ())]
    return {**match, **more, **({"headers": headers} if headers else {})}
