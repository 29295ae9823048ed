"""How the proxy of a pod tells the proxies of its callers that it got no answer from the application. Pure.

A connection to the application that failed is an answer with 503 to them, and the application may give that one too: a
header tells the two apart (docs/design/0079). Applications of the mesh cannot set it, clients are not told of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from tandem.compile.envoy.proto import Json

_HEADER: Final = "x-tandem-failed"
_UNCONNECTED: Final = "connect"
"""There was no connection, so the application has seen nothing of the request."""
_BROKEN: Final = "reset"
"""The connection ended before there was an answer."""

UNTOLD: Final[Json] = {"response_headers_to_remove": [_HEADER]}
"""For a whole route configuration: nobody else says this, and nobody behind it is told."""


def _when(flags: list[str], value: str) -> Json:
    header = {"header": {"key": _HEADER, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"filter": {"response_flag_filter": {"flags": flags}}, "headers_to_add": [header]}


# Of several tries here one may have been read: the first that holds counts.
TELLS: Final[Json] = {
    "local_reply_config": {"mappers": [_when(["UC", "UPE"], _BROKEN), _when(["UF"], _UNCONNECTED)]},
}
"""For the connection manager of a pod, where proxies of the mesh ask: Envoy removes (`UNTOLD`) before it adds this."""


def heard(retry_on: Collection[str]) -> Json:
    """Of a retry policy: which of these answers are as good as a connection that failed here. Nothing: none of them."""
    match: Json
    if "reset" in retry_on:
        match = {"present_match": True}
    elif {"connect-failure", "reset-before-request"} & set(retry_on):
        match = {"string_match": {"exact": _UNCONNECTED}}
    else:
        return {}
    return {"retriable_headers": [{"name": _HEADER, **match}]}
