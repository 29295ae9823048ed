"""The one client of the Kubernetes API, for a real cluster and for the embedded server alike.

In: a kubeconfig. Out: raw JSON objects, and errors of `ingest/errors.py`. Knows paths and protocol, not what the
objects mean.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
import msgspec

from tandem.ingest.errors import AlreadyExists, ApiError, Conflict, Gone, NotFound, Unreachable, from_status
from tandem.ingest.kubeconfig import Access, read_kubeconfig
from tandem.model.kinds import Kind
from tandem.model.meta import RawObject

__all__ = ["AlreadyExists", "ApiError", "Conflict", "Gone", "KubeClient", "NotFound", "Unreachable", "collection_path"]

_PAGE: Final = 500
_WATCH_SECONDS: Final = 290
_DECODER: Final = msgspec.json.Decoder()


def collection_path(kind: Kind, namespace: str = "", *, api_version: str = "") -> str:
    """The path of all objects of a kind, in one namespace or (empty) everywhere.

    `api_version` picks another served version than the storage version: an object must be sent to the version it is in.
    """
    version = api_version or kind.api_version
    root = f"/apis/{version}" if kind.group else f"/api/{version}"
    if kind.namespaced and namespace:
        return f"{root}/namespaces/{quote(namespace, safe='')}/{kind.plural}"
    return f"{root}/{kind.plural}"


class KubeClient:
    """Raw objects over HTTP/1.1 with kept connections; an async context manager.

    `on_warning` is called with the text of each `Warning: 299` header of an answer.
    """

    def __init__(self, access: Access, *, on_warning: Callable[[str], None] | None = None) -> None:
        headers = {"accept": "application/json"}
        if access.token is not None:
            headers["authorization"] = f"Bearer {access.token.reveal().decode()}"
        self.server = access.server
        self.namespace = access.namespace
        self._on_warning = on_warning
        self._http = httpx.AsyncClient(
            base_url=access.server,
            headers=headers,
            verify=access.tls if access.tls is not None else False,  # False only for plain http:// servers
            timeout=httpx.Timeout(30.0, connect=5.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=4.0),
            trust_env=False,
        )

    @classmethod
    def from_kubeconfig(cls, path: Path | str, *, on_warning: Callable[[str], None] | None = None) -> KubeClient:
        """A client for the current context; raises KubeconfigError or FileNotFoundError."""
        return cls(read_kubeconfig(Path(path)), on_warning=on_warning)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def list(
        self, kind: Kind, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> tuple[list[RawObject], str]:
        """All objects (page by page) and the resourceVersion to watch from."""
        path = collection_path(kind, namespace)
        selectors = _given(labelSelector=label_selector, fieldSelector=field_selector)
        items: list[RawObject] = []
        query = {**selectors, "limit": str(_PAGE)}
        while True:
            try:
                page = await self.request("GET", path, query=query)
            except Gone:  # the continue token expired half way: once more in one piece
                items, query = [], selectors
                continue
            items += page.get("items") or []
            meta = page.get("metadata") or {}
            if not meta.get("continue"):
                break
            query = {**selectors, "limit": str(_PAGE), "continue": meta["continue"]}
        for item in items:  # a real API server leaves these two out of list items
            item.setdefault("apiVersion", kind.api_version)
            item.setdefault("kind", kind.kind)
        return items, str(meta.get("resourceVersion") or "")

    async def get(self, kind: Kind, namespace: str, name: str) -> RawObject:
        """One object; raises NotFound."""
        return await self.request("GET", _object_path(kind, namespace, name))

    async def create(self, kind: Kind, raw: RawObject) -> RawObject:
        """Create; returns the object as stored; raises AlreadyExists."""
        return await self.request("POST", _path_for(kind, raw), body=raw)

    async def replace(self, kind: Kind, raw: RawObject, *, subresource: str = "") -> RawObject:
        """Replace; with a resourceVersion in `raw` only if it is still that one, else Conflict."""
        path = f"{_path_for(kind, raw)}/{quote(str(raw['metadata']['name']), safe='')}"
        return await self.request("PUT", _with_sub(path, subresource), body=raw)

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], *, subresource: str = ""
    ) -> RawObject:
        """Apply a JSON merge patch (RFC 7396); returns the object as stored."""
        path = _with_sub(_object_path(kind, namespace, name), subresource)
        return await self.request("PATCH", path, body=patch, content_type="application/merge-patch+json")

    async def delete(self, kind: Kind, namespace: str, name: str, *, grace_seconds: int | None = None) -> None:
        """Ask for deletion; the object may remain, with a deletionTimestamp, until its grace has passed."""
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        await self.request("DELETE", _object_path(kind, namespace, name), body=body)

    async def watch(
        self,
        kind: Kind,
        resource_version: str,
        *,
        namespace: str = "",
        label_selector: str = "",
    ) -> AsyncGenerator[tuple[str, RawObject], None]:
        """Events (ADDED, MODIFIED, DELETED, BOOKMARK) after `resource_version`, until the server ends the stream.

        Raises Gone when that version is too old. Close the iterator (`contextlib.aclosing`) if you leave it early.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
            **_given(resourceVersion=resource_version, labelSelector=label_selector),
        }
        # A silent server is taken for dead some time after it should have ended the stream.
        async with self._stream(collection_path(kind, namespace), query, silence=_WATCH_SECONDS + 40.0) as lines:
            async for line in lines:
                if not line:
                    continue
                event = _DECODER.decode(line)
                if event["type"] == "ERROR":
                    status = event.get("object") or {}
                    raise from_status(int(status.get("code") or 500), status)
                yield event["type"], event["object"]

    async def lines(self, path: str, query: Mapping[str, str]) -> AsyncGenerator[str, None]:
        """The lines of a plain text answer as they come (pods/log); raises like the other methods."""
        async with self._stream(path, query, silence=None) as lines:
            async for line in lines:
                yield line

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> RawObject:
        """One request for a JSON object; raises the ApiError that fits the answer."""
        content = None if body is None else msgspec.json.encode(body)
        headers = None if body is None else {"content-type": content_type}
        try:
            answer = await self._http.request(method, path, params=query, content=content, headers=headers)
        except httpx.TransportError as err:
            raise self._unreachable(err) from err
        self._warn(answer)
        if answer.status_code >= 400:
            raise from_status(answer.status_code, _decoded(answer.content))
        return _decoded(answer.content)

    @asynccontextmanager
    async def _stream(
        self, path: str, query: Mapping[str, str], *, silence: float | None
    ) -> AsyncIterator[AsyncIterator[str]]:
        timeout = httpx.Timeout(30.0, connect=5.0, read=silence)
        try:
            async with self._http.stream("GET", path, params=query, timeout=timeout) as answer:
                if answer.status_code >= 400:
                    raise from_status(answer.status_code, _decoded(await answer.aread()))
                yield answer.aiter_lines()
        except httpx.TransportError as err:
            raise self._unreachable(err) from err

    def _unreachable(self, err: httpx.TransportError) -> Unreachable:
        return Unreachable(f"no answer from the API at {self.server}: {err or type(err).__name__}")

    def _warn(self, answer: httpx.Response) -> None:
        if self._on_warning is None:
            return
        for header in answer.headers.get_list("warning"):
            for text in warning_texts(header):
                self._on_warning(text)


def warning_texts(header: str) -> list[str]:
    r"""The texts of an HTTP `Warning` header (RFC 7234, 5.5): `299 - "text with \" in it"`, several with commas."""
    texts: list[str] = []
    rest = header
    while '"' in rest:
        rest = rest.partition('"')[2]
        text, escaped, end = "", False, len(rest)
        for i, char in enumerate(rest):
            if escaped or char not in '\\"':
                text, escaped = text + char, False
            elif char == "\\":
                escaped = True
            else:
                end = i
                break
        texts.append(text)
        rest = rest[end + 1 :]
    return texts


def _object_path(kind: Kind, namespace: str, name: str) -> str:
    return f"{collection_path(kind, namespace)}/{quote(name, safe='')}"


def _path_for(kind: Kind, raw: RawObject) -> str:
    namespace = str(raw["metadata"].get("namespace") or "default") if kind.namespaced else ""
    return collection_path(kind, namespace, api_version=str(raw.get("apiVersion") or ""))


def _with_sub(path: str, subresource: str) -> str:
    return f"{path}/{subresource}" if subresource else path


def _given(**query: str) -> dict[str, str]:
    return {k: v for k, v in query.items() if v}


def _decoded(content: bytes) -> dict[str, Any]:
    try:
        value = _DECODER.decode(content)
    except msgspec.DecodeError:
        return {"message": content.decode(errors="replace").strip()}
    return value if isinstance(value, dict) else {"message": str(value)}
