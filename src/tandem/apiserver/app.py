"""The API as an ASGI application. In: HTTP requests with the bearer token; out: Kubernetes-shaped answers.

Every refusal is a `Status` object. What is decided about objects is in `verbs.py` and `reading.py`; here is HTTP only.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tandem.apiserver import definitions, discovery, openapi, protobuf
from tandem.apiserver.deletion import Options
from tandem.apiserver.errors import Refusal
from tandem.apiserver.inside import Inside
from tandem.apiserver.paths import NO_SUCH_PATH, parse_path
from tandem.apiserver.podrequests import SUBRESOURCES, PodRequests
from tandem.apiserver.reading import Reader, reply
from tandem.apiserver.records import Raw, Record
from tandem.apiserver.scale import replicas_patch, scale_of
from tandem.apiserver.store import StorageError, Store
from tandem.apiserver.verbs import MERGE, Verbs, Where
from tandem.base.clock import SystemClock
from tandem.base.secret import Secret
from tandem.cluster.networks import SERVICES, ServiceNetwork
from tandem.model.schema import INSTEAD

BODY_LIMIT: Final = 3 * 1024 * 1024
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
APPLY: Final = "application/apply-patch+yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
BY_APPLY: Final = "--dry-run=client -o yaml | kubectl apply -f -"
Advise = Callable[[dict[str, Any]], list[str]]


def build_app(
    store: Store,
    *,
    token: Secret,
    services: ServiceNetwork = SERVICES,
    first: Iterable[Raw] = (),
    advise: Advise | None = None,
    inside: Inside | None = None,
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application over a Store; makes the built-in namespaces, and in a new store the `first` objects.

    `advise` gives warnings for what is written; `inside` gets at what runs in pods.
    """
    api = _Api(store, services, advise, inside)
    api.verbs.ensure_built_in(first)
    app = Starlette(
        routes=[*extra_routes, Route("/{path:path}", api.endpoint, methods=list(METHODS))],
        middleware=[Middleware(_Guard, token=token)],
    )
    app.state.store = store
    return app


class _Guard:
    """Lets requests with the bearer token through, and turns a Refusal into a Status."""

    def __init__(self, app: ASGIApp, token: Secret) -> None:
        self._app = app
        self._wanted = b"Bearer " + token.reveal()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = next((v for k, v in scope["headers"] if k == b"authorization"), b"")
            if not hmac.compare_digest(given, self._wanted):
                await _refused(Refusal(401, "Unauthorized"))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _refused(refusal: Refusal) -> Response:
    return reply(refusal.status, status=refusal.code)


class _Api:
    """One method per kind of request."""

    def __init__(self, store: Store, services: ServiceNetwork, advise: Advise | None, inside: Inside | None) -> None:
        clock = SystemClock()
        self.verbs = Verbs(store, clock=clock, services=services)
        self._store = store
        self._reader = Reader(store, clock)
        self._advise = advise
        self._pods = PodRequests(inside)

    async def endpoint(self, request: Request) -> ASGIApp:
        """Answer one request."""
        path = request.url.path
        try:
            found = _fixed(path) if request.method == "GET" else None
            if found is not None:
                return found
            where = parse_path(path)
            if where.kind.kind == "Pod" and where.subresource in SUBRESOURCES:
                return self._pods.answer(request, where.subresource, lambda: self.verbs.current(where))
            return await self._object(request, where)
        except Refusal as refusal:
            return _refused(refusal)
        except StorageError as err:
            return _refused(Refusal(500, f"the API server's storage: {err}"))
        except msgspec.MsgspecError as err:
            return _refused(Refusal(400, f"the body cannot be decoded: {err}"))

    async def _object(self, request: Request, where: Where) -> ASGIApp:
        if where.kind is definitions.KIND and request.method != "GET":
            raise Refusal(405, f"{request.method} is not possible: {INSTEAD[where.kind.kind]}")
        match request.method:
            case "GET":
                return self._get(request, where)
            case "POST" if not where.name:
                record = self.verbs.create(where, await _json(request), dry_run=_dry_run(request))
                return self._written(request, where, record, status=201)
            case "PUT" | "PATCH" if where.subresource == "scale":
                record = self._scale(where, await _json(request), dry_run=_dry_run(request))
                return reply(scale_of(record))
            case "PUT" if where.name:
                record = self.verbs.update(where, await _json(request), dry_run=_dry_run(request))
                return self._written(request, where, record)
            case "PATCH" if where.name:
                media = request.headers.get("content-type", "").partition(";")[0].strip()
                if media == APPLY:
                    text = "server-side apply is not supported; use kubectl apply without --server-side"
                    raise Refusal(415, text)
                record = self.verbs.patch(where, await _json(request), media, dry_run=_dry_run(request))
                return self._written(request, where, record)
            case "DELETE":
                return await self._delete(request, where)
        raise Refusal(405, f"{request.method} is not possible on {request.url.path}")

    def _get(self, request: Request, where: Where) -> ASGIApp:
        query, accept = request.query_params, request.headers.get("accept", "")
        if where.subresource == "scale":
            return reply(scale_of(self.verbs.current(where)))
        if query.get("watch") in {"true", "1"}:
            return self._reader.watch(where, query, accept)
        if not where.name:
            return self._reader.collection(where, query, accept)
        return self._reader.one(where, self.verbs.current(where), accept)

    def _scale(self, where: Where, body: Any, *, dry_run: bool) -> Record:
        target = msgspec.structs.replace(where, subresource="")
        return self.verbs.patch(target, replicas_patch(body), MERGE, dry_run=dry_run)

    async def _delete(self, request: Request, where: Where) -> Response:
        options = await _delete_options(request)
        dry_run = _dry_run(request, options.dry_run)
        if where.subresource:
            raise Refusal(405, "a subresource cannot be deleted")
        if where.name:
            record, gone = self.verbs.delete(where, options, dry_run=dry_run)
            return reply(_deleted(record)) if gone else self._reader.one(where, record, "")
        listed = self._reader.collection(where, request.query_params, "")
        for item in msgspec.json.decode(listed.body)["items"]:
            meta = item["metadata"]
            target = msgspec.structs.replace(where, namespace=meta.get("namespace", ""), name=meta["name"])
            if self._store.get(target.kind, target.namespace, target.name) is not None:  # an owner may have taken it
                self.verbs.delete(target, options, dry_run=dry_run)
        return listed

    def _written(self, request: Request, where: Where, record: Record, *, status: int = 200) -> Response:
        response = self._reader.one(where, record, request.headers.get("accept", ""), status=status)
        if self._advise is not None and not where.subresource:
            for text in self._advise(record.raw):
                response.headers.append("Warning", f'299 - "{_quoted(text)}"')
        return response


def _fixed(path: str) -> Response | None:
    """Discovery, version, health: what does not depend on objects. None if the path is not one of them."""
    parts = [p for p in path.split("/") if p]
    match parts:
        case ["healthz" | "livez" | "readyz"]:
            return Response(b"ok", media_type="text/plain")
        case ["openapi", "v2"]:
            return Response(openapi.VERSION_2, media_type="application/octet-stream")
        case ["openapi", "v3", *rest] if rest:
            body = openapi.document("/".join(rest))
            return _or_404(Response(body, media_type="application/json") if body else None)
    made = _document(parts)
    return None if made is None else _or_404(reply(made) if made else None)


FIXED: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "api": discovery.api_versions,
    "apis": discovery.group_list,
    "version": lambda: discovery.VERSION,
    "openapi/v3": openapi.index,
}


def _document(parts: list[str]) -> dict[str, Any] | None:
    """The document at a path: empty if it would be one and is not there, None if the path is about objects."""
    made = FIXED.get("/".join(parts))
    if made is not None:
        return made()
    match parts:
        case ["apis", group]:
            return discovery.group(group) or {}
        case ["api", version]:
            return discovery.resource_list("", version) or {}
        case ["apis", group, version]:
            return discovery.resource_list(group, version) or {}
    return None


def _or_404(response: Response | None) -> Response:
    if response is None:
        raise Refusal(404, NO_SUCH_PATH)
    return response


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Refusal(413, f"the body is larger than {BODY_LIMIT} bytes")
    return body


async def _json(request: Request) -> Any:
    return _decoded(request, await _body(request))


def _decoded(request: Request, body: bytes) -> Any:
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if media == PROTOBUF:
        try:
            return protobuf.decode(body)
        except protobuf.ProtobufError as err:
            raise Refusal(415, f"{err}; use kubectl create ... {BY_APPLY}") from err
    if not media.endswith("json"):
        raise Refusal(415, f"the body must be JSON, not {media}")
    return msgspec.json.decode(body)


async def _delete_options(request: Request) -> Options:
    body = await _body(request)
    raw = _decoded(request, body) if body else {}
    query = request.query_params
    if isinstance(raw, dict):
        if query.get("gracePeriodSeconds", "").isdigit():
            raw.setdefault("gracePeriodSeconds", int(query["gracePeriodSeconds"]))
        if "propagationPolicy" in query:
            raw.setdefault("propagationPolicy", query["propagationPolicy"])
    return msgspec.convert(raw, type=Options)


def _dry_run(request: Request, also: Sequence[str] = ()) -> bool:
    """Whether nothing is to be written; a deletion's options may say so too."""
    values = [*request.query_params.getlist("dryRun"), *also]
    if any(v not in {"", "All"} for v in values):
        raise Refusal(400, f"dryRun: {values[0]!r} is not supported; supported is All")
    return "All" in values


def _deleted(record: Record) -> dict[str, Any]:
    kind = record.kind
    details = {"name": record.name, "group": kind.group, "kind": kind.plural, "uid": record.meta.get("uid", "")}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _quoted(text: str) -> str:
    """A quoted-string of RFC 9110, in one line of Latin-1."""
    plain = " ".join(text.split()).encode("latin-1", "replace").decode("latin-1")
    return plain.replace("\\", "\\\\").replace('"', '\\"')
