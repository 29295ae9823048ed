"""Pods that say what they were asked, in place of ones that run."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tandem.apiserver.inside import LogQuery, NotRunningError, PodRef, RunningPod


class Told:
    """Logs name the query; nothing runs."""

    def logs(self, pod: PodRef, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        return _told(f"{pod.namespace}/{pod.name}/{container}\n", query)

    def running(self, pod: PodRef, container: str = "") -> RunningPod:
        del container
        raise NotRunningError(f"pod {pod.namespace}/{pod.name} does not run")


async def _told(whose: str, query: LogQuery) -> AsyncIterator[bytes]:
    yield whose.encode()
    changed = [name for name in LogQuery.__slots__ if getattr(query, name) != getattr(LogQuery(), name)]
    yield (" ".join(f"{name}={getattr(query, name)}" for name in changed) + "\n").encode()
