"""The read models over HTTP, beside the Kubernetes-shaped API: `/apis/views.tandem.io/v1/{status,flows,...}`.

In: control. Out: JSON; `flows?follow=true` is one JSON object a line. The command line and the page read the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tandem.model.kinds import PROGRAMMED
from tandem.observe.counts import RuleCount
from tandem.observe.flow import Flow
from tandem.runtime.control import Control
from tandem.views.addresses import addresses, lookup
from tandem.views.counts import Wanted, counts, totals
from tandem.views.explain import ExplainError, explain, question
from tandem.views.flows import Query, as_json, wanted
from tandem.views.health import Delivery, Membership, ObjectState, status

ROOT: Final = "/apis/views.tandem.io/v1"


def routes(control: Callable[[], Control | None]) -> list[Route]:
    """The routes; `control` is asked at each request, since the API server is there before it."""

    async def answer(request: Request) -> Response:
        running = control()
        if running is None or not running.world.synced:
            return _json({"message": "control is starting; try again in a moment"}, 503)
        name = request.path_params["view"]
        if name not in _VIEWS:
            return _json({"message": f"no view named {name!r}: {', '.join(_VIEWS)}"}, 404)
        return _VIEWS[name](running, request)

    return [Route(f"{ROOT}/{{view}}", answer)]


def _reported(control: Control) -> list[RuleCount]:
    """Of the nodes that there are."""
    return [one for node in control.ledger.nodes for one in control.reports.counts.get(node, ())]


def _status(control: Control, _: Request) -> Response:
    translation = control.translation.value
    pods = translation.pods if translation is not None else {}
    problems = translation.problems if translation is not None else ()
    deliveries = {}
    for node in control.ledger.nodes:
        sent, accepted, refused = control.ledger.versions(node)
        deliveries[node] = Delivery(
            connected=control.ledger.connected(node), sent=sent, accepted=accepted, refused=refused
        )
    found = status(
        control.world,
        deliveries=deliveries,
        reports=control.reports.statuses,
        memberships={uid: Membership(identity=p.identity, meshed=p.meshed) for uid, p in pods.items()},
        objects=_objects(control),
        problems=(*control.trust.problems(), *problems),
        judged=totals(_reported(control)),
    )
    return _json(found)


def _counts(control: Control, request: Request) -> Response:
    asked = {name: request.query_params.get(name, "") for name in Wanted.__struct_fields__}
    return _json({"counts": counts(_reported(control), Wanted(**asked))})


def _objects(control: Control) -> list[ObjectState]:
    """The objects that can be programmed: refused by translation, refused or awaited by nodes, or in force."""
    verdicts = control.ledger.programmed()
    states = []
    for obj in control.world.objects():
        if obj.kind not in PROGRAMMED:
            continue
        key = (obj.kind, obj.metadata.namespace, obj.metadata.name)
        errors = control.errors_of(key)
        verdict = verdicts.get(key)
        ok = not errors and (verdict is None or verdict.ok)
        message = "; ".join(errors) or (verdict.message if verdict is not None else "")
        states.append(ObjectState(kind=key[0], namespace=key[1], name=key[2], programmed=ok, message=message))
    return states


def _flows(control: Control, request: Request) -> Response:
    asked = request.query_params
    query = Query(
        denied=asked.get("denied") == "true",
        staged=asked.get("staged") == "true",
        namespace=asked.get("namespace", ""),
        pod=asked.get("pod", ""),
    )
    position, kept = control.reports.since(0)
    found = [f for f in kept if wanted(f, query)]
    last = asked.get("last", "")
    if last.isdigit():
        found = found[-int(last) :] if int(last) else []
    if asked.get("follow") != "true":
        return _json({"flows": [as_json(f) for f in found]})
    return StreamingResponse(_follow(control, query, position, found), media_type="application/x-ndjson")


async def _follow(control: Control, query: Query, position: int, first: list[Flow]) -> AsyncIterator[bytes]:
    flows = tuple(first)
    while True:
        lines = b"".join(msgspec.json.encode(f) + b"\n" for f in flows if wanted(f, query))
        if lines:
            yield lines
        position, flows = await control.reports.after(position)


def _addresses(control: Control, request: Request) -> Response:
    asked = request.query_params.get("address", "")
    if not asked:
        return _json(addresses(control.world, control.reports.holdings.value))
    try:
        return _json(lookup(control.world, str(ipaddress.ip_address(asked))))
    except ValueError as err:
        return _json({"kind": "Status", "status": "Failure", "message": str(err), "reason": "BadRequest"}, 400)


def _explain(control: Control, request: Request) -> Response:
    try:
        asked = question(request.query_params, control.options, _names(control))
        _, flows = control.reports.since(0)
        return _json(msgspec.to_builtins(explain(control.world, asked, flows=flows, now=control.clock.now())))
    except ExplainError as err:
        return _json({"kind": "Status", "status": "Failure", "message": str(err), "reason": "BadRequest"}, 400)


def _names(control: Control) -> dict[str, dict[str, tuple[str, ...]]]:
    """The addresses that each node knows domain names to have."""
    return {
        node: {name: tuple(found) for name, found in known["addresses"].items()}
        for node, report in control.reports.statuses.items()
        if (known := report.get("names"))
    }


def _json(value: object, code: int = 200) -> Response:
    return Response(msgspec.json.encode(value), code, media_type="application/json")


_VIEWS: Final[dict[str, Callable[[Control, Request], Response]]] = {
    "status": _status,
    "flows": _flows,
    "explain": _explain,
    "addresses": _addresses,
    "counts": _counts,
}
