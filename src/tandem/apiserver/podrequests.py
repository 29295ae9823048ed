"""The subresources of a pod that lead inside: log, exec, attach, portforward.

In: a request and how to find its pod. Out: what answers it, or a Refusal as Kubernetes words it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp

from tandem.apiserver.errors import Refusal
from tandem.apiserver.exec import Asked, Execution, flag
from tandem.apiserver.inside import Inside, LogQuery, NotRunningError, PodRef
from tandem.apiserver.portforward import PortForward
from tandem.apiserver.records import Record
from tandem.apiserver.watch import StreamResponse
from tandem.base.clock import Clock, SystemClock

UPGRADED: Final = ("GET", "POST")
SUBRESOURCES: Final = {"log": ("GET",), "exec": UPGRADED, "attach": UPGRADED, "portforward": UPGRADED}
"""With the methods that each has."""


class PodRequests:
    """Answers them."""

    def __init__(self, inside: Inside | None, clock: Clock | None = None) -> None:
        self._inside = inside
        self._clock = clock or SystemClock()

    def answer(self, request: Request, subresource: str, find: Callable[[], Record]) -> ASGIApp:
        """For one request; `find` raises the Refusal 404 for a pod that is not there."""
        if request.method not in SUBRESOURCES[subresource]:
            raise Refusal(405, f"{request.method} is not possible on {request.url.path}")
        pod = find()
        if self._inside is None:
            raise Refusal(404, "this server runs no pods")
        match subresource:
            case "log":
                return self._log(request, pod, self._inside)
            case "exec":
                return self._exec(request, pod, self._inside)
            case "attach":
                return self._attach(request, pod, self._inside)
            case _:
                return self._portforward(request, pod, self._inside)

    def _log(self, request: Request, pod: Record, inside: Inside) -> ASGIApp:
        container = chosen_container(pod, request.query_params)
        query = log_query(request.query_params, self._clock.now())
        try:
            return StreamResponse(inside.logs(PodRef.of(pod), container, query), "text/plain")
        except FileNotFoundError as err:
            raise Refusal(404, str(err)) from err

    def _exec(self, request: Request, pod: Record, inside: Inside) -> ASGIApp:
        container = chosen_container(pod, request.query_params)
        ref, asked = _placed(pod), Asked.of(request.query_params)
        try:
            running = inside.running(ref, container)
        except NotRunningError as err:
            raise Refusal(500, str(err)) from err
        return Execution(request, partial(running.start, asked.command, asked.stdio), asked)

    def _attach(self, request: Request, pod: Record, inside: Inside) -> ASGIApp:
        container = chosen_container(pod, request.query_params)
        ref, asked = _placed(pod), Asked.of(request.query_params, attach=True)
        spec = _spec_of(pod, container)
        for name in ("stdin", "tty"):
            if getattr(asked.stdio, name) and not (spec.get(name) or (name == "stdin" and spec.get("tty"))):
                raise Refusal(400, f"container {container} has no {name}: its spec does not say `{name}: true`")
        try:
            running = inside.running(ref, container)
        except NotRunningError as err:
            raise Refusal(500, str(err)) from err
        return Execution(request, partial(running.attach, asked.stdio), asked)

    def _portforward(self, request: Request, pod: Record, inside: Inside) -> ASGIApp:
        ref = _placed(pod)
        try:
            return PortForward(request, ref, inside.running(ref))
        except NotRunningError as err:
            raise Refusal(500, str(err)) from err


def _placed(pod: Record) -> PodRef:
    ref = PodRef.of(pod)
    if not ref.node:
        raise Refusal(400, f"pod {ref.name} does not have a host assigned")
    return ref


def _spec_of(pod: Record, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = pod.raw["spec"]
    every = (*spec.get("containers", ()), *spec.get("initContainers", ()))
    return next(c for c in every if c["name"] == name)


def chosen_container(pod: Record, query: QueryParams) -> str:
    """The one that is named, or the only one; Refusal 400."""
    spec: dict[str, Any] = pod.raw["spec"]
    names = [c["name"] for c in spec.get("containers", ())]
    first = [c["name"] for c in spec.get("initContainers", ())]
    container = query.get("container") or (names[0] if len(names) == 1 else "")
    if not container:
        text = f"a container name must be specified for pod {pod.name}, choose one of: [{' '.join(names)}]"
        raise Refusal(400, text + (f" or one of the init containers: [{' '.join(first)}]" if first else ""))
    if container not in names + first:
        raise Refusal(400, f"container {container} is not valid for pod {pod.name}")
    return container


def log_query(query: QueryParams, now: float) -> LogQuery:
    """The parameters (Kubernetes: PodLogOptions); Refusal 422 for a value that cannot be."""
    if "sinceSeconds" in query and "sinceTime" in query:
        raise Refusal(422, "at most one of `sinceTime` or `sinceSeconds` may be specified")
    seconds = _number(query, "sinceSeconds", least=1)
    return LogQuery(
        tail=_number(query, "tailLines"),
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        since=now - seconds if seconds is not None else _time(query),
        timestamps=flag(query, "timestamps"),
        limit=_number(query, "limitBytes", least=1),
    )


def _number(query: QueryParams, name: str, *, least: int = 0) -> int | None:
    if not (text := query.get(name, "")):
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise Refusal(422, f"{name}: Invalid value: {text!r}: must be a number of at least {least}")
    return int(text)


def _time(query: QueryParams) -> float:
    if not (text := query.get("sinceTime", "")):
        return 0.0
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Refusal(422, f"sinceTime: Invalid value: {text!r}: must be a time of RFC 3339")
    return at.timestamp()
