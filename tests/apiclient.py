"""An API app in process, for tests that need HTTP and no socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from insides import Told
from tandem.apiserver.app import build_app
from tandem.apiserver.store import Store
from tandem.base.secret import Secret


async def _extra(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.url.path)


class Api:
    """Requests to an app of its own, each in a loop of its own."""

    def __init__(self) -> None:
        self.store = Store()
        self.app = build_app(
            self.store,
            token=Secret(b"t"),
            advise=lambda raw: ['say "hi"\nthere'] if raw["kind"] == "Pod" else [],
            inside=Told(),
            extra_routes=[Route("/tandem/extra", _extra)],
        )

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = {"authorization": "Bearer t", **{k.replace("_", "-"): v for k, v in headers.items()}}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, content=content, headers=sent)

        return asyncio.run(once())
