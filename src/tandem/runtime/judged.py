"""Access logs of clients' requests, pods' and gateways' -> the tallies of the Canaries in a view, for control to judge.

In: StreamAccessLogsMessages and the newest view. Out: Tallies. A request counts for the version that its route chose,
as its client saw it: after retries, and failed if it was answered 5xx, by a gRPC status that stands for one, or not.
A connection counts likewise: failed if it did not come about, or was broken off (a reset) by the version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tandem.base.memo import same_as_before
from tandem.compile import names
from tandem.ir.gateway import Gateway, connections_of, routes_of
from tandem.ir.mesh import BytesRoute, Forward, Route, RouteTable, Split
from tandem.ir.node import NodeView
from tandem.ir.tally import Counter, Tallies
from tandem.observe.logged import OPENED
from tandem.state.xds import DIVIDED, GRPC_STATUS

GRPC_FAILURES: Final = frozenset({"2", "4", "12", "13", "14", "15"})
"""UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: the server's doing, not the client's."""
Watched = Mapping[str, tuple[Split, ...]]
"""Route name -> who has divided its requests."""


class Judged:
    """One per agent."""

    def __init__(self, view: Callable[[], NodeView | None], epoch: str) -> None:
        self._view = view
        self._counter = Counter(epoch)

    def on_access_log(self, log_name: str, message: Any) -> None:
        """Counts what clients of this node have asked of a version."""
        watched = self._watched(log_name)
        if watched and message.HasField("tcp_logs"):
            self._connections(watched, message.tcp_logs.log_entry)
            return
        for entry in message.http_logs.log_entry if watched else ():
            common = entry.common_properties
            for split in watched.get(common.route_name, ()):
                version = names.version_of(common.upstream_cluster)
                if version in {split.stable, split.canary}:
                    ms = common.duration.seconds * 1000 + common.duration.nanos / 1e6
                    self._counter.add(_canary(split), version, failed=_failed(entry), ms=ms)

    def _connections(self, watched: Watched, entries: Iterable[Any]) -> None:
        """A connection counts once it is open, or has ended without that; one that is broken off fails afterwards."""
        for entry in entries:
            common = entry.common_properties
            opened = common.access_log_type == OPENED
            was_open = common.HasField("upstream_local_address") and not _unreached(common.response_flags)
            broken = not opened and was_open and common.response_flags.upstream_remote_reset
            if not opened and was_open and not broken:
                continue  # counted when it was opened
            for split in watched.get(common.custom_tags.get(DIVIDED, ""), ()):
                version = names.version_of(common.upstream_cluster)
                if version in {split.stable, split.canary}:
                    self._counter.add(_canary(split), version, failed=not opened, again=broken)

    def tallies(self) -> Tallies | None:
        """Of the Canaries of this view, also those of which nothing is counted; None where there are none."""
        view = self._view()
        known = (_of_tables(view.tables), _of_gateways(view.gateways)) if view is not None else ()
        canaries = frozenset(_canary(split) for watched in known for splits in watched.values() for split in splits)
        return self._counter.tallies(canaries) if canaries else None

    def _watched(self, log_name: str) -> Watched:
        view = self._view()
        if view is None:
            return {}
        if names.is_gateway_log(log_name):
            return _of_gateways(view.gateways)
        return _of_tables(view.tables) if log_name.partition("|")[0] == "source" else {}


def _canary(split: Split) -> str:
    return f"{split.origin.namespace}/{split.origin.name}"


def _unreached(flags: Any) -> bool:
    """No endpoint, none that could be reached, or a limit."""
    return bool(
        flags.upstream_connection_failure
        or flags.no_healthy_upstream
        or flags.upstream_overflow
        or flags.no_cluster_found
        or flags.upstream_retry_limit_exceeded
    )


def _failed(entry: Any) -> bool:
    """Code 0: whoever asked went away before there was an answer."""
    code = entry.response.response_code.value
    status = entry.common_properties.custom_tags.get(GRPC_STATUS, "")
    return code == 0 or code >= 500 or status in GRPC_FAILURES


@same_as_before
def _of_tables(tables: Mapping[str, RouteTable]) -> Watched:
    requests = _divided(route for table in tables.values() for route in table.routes)
    return {**requests, **_connections(route for table in tables.values() for route in table.bytes)}


@same_as_before
def _of_gateways(gateways: Mapping[str, Gateway]) -> Watched:
    requests = _divided(route for gateway in gateways.values() for route in routes_of(gateway))
    return {**requests, **_connections(route for gateway in gateways.values() for route in connections_of(gateway))}


def _connections(routes: Iterable[BytesRoute]) -> Watched:
    return {route.name: route.splits for route in routes if route.splits}


def _divided(routes: Iterable[Route]) -> Watched:
    return {
        route.name: route.action.splits for route in routes if isinstance(route.action, Forward) and route.action.splits
    }
