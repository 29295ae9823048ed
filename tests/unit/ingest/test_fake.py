"""The fake API server by itself; tests/contract/test_kube.py compares it with the real one."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from tandem.ingest.errors import ApiError, Gone, Unreachable
from tandem.ingest.fake import FakeKube, matches_labels, merge_patch
from tandem.model.kinds import BY_KIND

CONFIG = BY_KIND["ConfigMap"]


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_fail_next_makes_one_call_fail() -> None:
    async def run() -> None:
        kube = FakeKube([config("a")])
        kube.fail_next(Unreachable("down"))
        with pytest.raises(ApiError, match="down"):
            await kube.get(CONFIG, "default", "a")
        assert (await kube.get(CONFIG, "default", "a"))["metadata"]["name"] == "a"

    asyncio.run(run())


def test_a_watch_from_before_compaction_is_gone() -> None:
    async def run() -> None:
        kube = FakeKube([config("a"), config("b")])
        kube.compact()
        with pytest.raises(Gone):
            async for _ in kube.watch(CONFIG, "1"):
                pass

    asyncio.run(run())


def test_break_watches_ends_every_running_watch() -> None:
    async def run() -> None:
        kube = FakeKube([config("a")])

        async def follow() -> None:
            async with aclosing(kube.watch(CONFIG, "0")) as events:
                async for _ in events:
                    kube.break_watches(Unreachable("cut"))

        with pytest.raises(Unreachable, match="cut"):
            await follow()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=db", True),
        ("app in (web, api),!gone", True),
        ("app notin (web)", False),
        ("other", False),
        ("app=api", False),
    ],
)
def test_label_selectors_match_as_with_kubectl(selector: str, matches: bool) -> None:  # noqa: FBT001
    assert matches_labels(selector, {"app": "web"}) is matches


def test_merge_patch_removes_null_and_replaces_lists() -> None:
    target = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge_patch(target, {"a": {"b": None, "c": [3]}, "e": {"f": None}}) == {"a": {"c": [3]}, "d": 1, "e": {}}
