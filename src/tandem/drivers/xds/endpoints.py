"""ClusterLoadAssignment, the resource that changes most, by attributes: ten times as fast as the general way.

In: the JSON tree. Out: bytes, or None when the tree has a field that is not handled here (the general way does it).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

_TOP: Final = frozenset({"cluster_name", "endpoints"})
_LOCALITY: Final = frozenset({"lb_endpoints", "locality", "priority", "load_balancing_weight"})
_ENDPOINT: Final = frozenset({"endpoint", "metadata", "load_balancing_weight", "health_status"})


class _UnhandledError(Exception):
    """A field that only the general way knows."""


@cache
def _assignment() -> Any:
    from envoy.config.endpoint.v3 import endpoint_pb2

    return endpoint_pb2.ClusterLoadAssignment


def encode_endpoints(body: Mapping[str, Any]) -> bytes | None:
    """The bytes of the assignment, None if it must go the general way."""
    message = _assignment()(cluster_name=body.get("cluster_name", ""))
    try:
        _only(body, _TOP)
        for group in body.get("endpoints", ()):
            _only(group, _LOCALITY)
            _group(message.endpoints.add(), group)
    except _UnhandledError:
        return None
    return bytes(message.SerializeToString(deterministic=True))


def _only(tree: Mapping[str, Any], known: frozenset[str]) -> None:
    if not tree.keys() <= known:
        raise _UnhandledError


def _group(message: Any, tree: Mapping[str, Any]) -> None:
    if "priority" in tree:
        message.priority = tree["priority"]
    if "load_balancing_weight" in tree:
        message.load_balancing_weight.value = tree["load_balancing_weight"]
    for key, value in tree.get("locality", {}).items():
        setattr(message.locality, key, value)
    for entry in tree.get("lb_endpoints", ()):
        _only(entry, _ENDPOINT)
        _endpoint(message.lb_endpoints.add(), entry)


def _endpoint(message: Any, tree: Mapping[str, Any]) -> None:
    match tree.get("endpoint"):
        case {"address": {"socket_address": {"address": str(address), "port_value": int(port), **rest}}, **more}:
            if rest or more:
                raise _UnhandledError
            message.endpoint.address.socket_address.address = address
            message.endpoint.address.socket_address.port_value = port
        case _:
            raise _UnhandledError
    if "load_balancing_weight" in tree:
        message.load_balancing_weight.value = tree["load_balancing_weight"]
    if "health_status" in tree:
        message.health_status = tree["health_status"]
    for key, value in tree.get("metadata", {}).items():
        if key != "filter_metadata":
            raise _UnhandledError
        for name, fields in value.items():
            struct = message.metadata.filter_metadata[name]
            for field, text in fields.items():
                if not isinstance(text, str):
                    raise _UnhandledError
                struct.fields[field].string_value = text
