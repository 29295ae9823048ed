"""What `tandem describe` says of Events."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from tandem.apps.cli.events import events_of, line_of
from tandem.base.clock import parse_rfc3339
from tandem.ingest.errors import ApiError
from tandem.ingest.fake import FakeKube
from tandem.ingest.kube import KubeClient

NOW = parse_rfc3339("2026-01-31T12:01:00Z")
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}}


def event(name: str, *, uid: str = "u", seen: str = "12:00:48", **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop"},
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop", "uid": uid},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": "Readiness probe failed: 503\n",
        "source": {"component": "tandem-runtime", "host": "n1"},
        "lastTimestamp": f"2026-01-31T{seen}Z",
        **more,
    }


def lines(*events: dict[str, Any]) -> list[str]:
    kube = FakeKube(events)
    return asyncio.run(events_of(cast("KubeClient", kube), POD, NOW))


def test_the_oldest_comes_first_and_those_of_an_earlier_pod_of_the_name_do_not_come() -> None:
    found = lines(event("b"), event("a", seen="12:00:00", reason="Started"), event("c", uid="earlier"))
    assert [line.split()[2] for line in found] == ["Started", "Unhealthy"]


@pytest.mark.parametrize(("count", "times"), [({}, ""), ({"count": 1}, ""), ({"count": 4}, " (x4)")])
def test_a_line_says_when_how_often_and_who(count: dict[str, int], times: str) -> None:
    assert line_of({**event("a"), **count}, NOW) == (
        f"12s{times}  Warning  Unhealthy  tandem-runtime, n1: Readiness probe failed: 503"
    )


def test_a_server_that_tells_nobody_is_no_fault() -> None:
    kube = FakeKube()
    kube.fail_next(ApiError(403, "Forbidden", "events is forbidden"))
    assert asyncio.run(events_of(cast("KubeClient", kube), POD, NOW)) == []
