"""HeaderEdit -> the header changes of a route, a share of it, or a response. Pure."""

from __future__ import annotations

from typing import Any, Final

from tandem.compile.envoy.proto import Json
from tandem.ir.mesh import AUTHORITY, HeaderEdit

_OVERWRITE: Final = "OVERWRITE_IF_EXISTS_OR_ADD"
_APPEND: Final = "APPEND_IF_EXISTS_OR_ADD"


def authority_of(edit: HeaderEdit) -> str:
    """The host that the changes set; empty where they set none. Envoy takes it as a rewrite, not as a header."""
    return next((value for name, value in edit.set if name.lower() in AUTHORITY), "")


def joined(first: HeaderEdit, then: HeaderEdit) -> HeaderEdit:
    """Both changes as one: what the second one sets wins."""
    return HeaderEdit(
        set=tuple(sorted({**dict(first.set), **dict(then.set)}.items())),
        add=(*first.add, *then.add),
        remove=tuple(dict.fromkeys((*first.remove, *then.remove))),
    )


def edits(side: str, edit: HeaderEdit) -> Json:
    """`side` is request or response. Envoy refuses to add `host`: see `authority_of`."""
    changes = [(name, value, _OVERWRITE) for name, value in edit.set if name.lower() not in AUTHORITY]
    changes += [(name, value, _APPEND) for name, value in edit.add]
    body: dict[str, Any] = {}
    if changes:
        body[f"{side}_headers_to_add"] = [
            {"header": {"key": name, "value": value}, "append_action": action} for name, value, action in changes
        ]
    if edit.remove:
        body[f"{side}_headers_to_remove"] = list(edit.remove)
    return body
