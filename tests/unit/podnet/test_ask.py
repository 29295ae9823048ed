"""One request to an agent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tandem.podnet.ask import AskError, ask
from tandem.podnet.request import Code, Request, VerbError
from tandem.podnet.socket import serve


class Echo:
    async def run(self, request: Request) -> dict[str, Any] | None:
        if request.config.get("fail"):
            raise VerbError(Code.ADDRESS_LIVE, "no", "because")
        return {"verb": request.verb, **request.config}


def asked(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    async def play() -> dict[str, Any]:
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(serve(Echo(), path, ready=ready))
            await ready.wait()
            try:
                return await asyncio.to_thread(ask, path, "RELEASE", config)
            finally:
                serving.cancel()

    return asyncio.run(play())


def test_the_answer_comes_back(tmp_path: Path) -> None:
    assert asked(tmp_path / "s", {"address": "10.0.0.2"}) == {"verb": "RELEASE", "address": "10.0.0.2"}


def test_a_refusal_is_told_in_the_agents_words(tmp_path: Path) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        asked(tmp_path / "s", {"fail": True})
    assert caught.group_contains(AskError, match="no: because")


def test_an_agent_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AskError, match=r"does not answer at .*/s"):
        ask(tmp_path / "s", "RELEASE", {})
