"""Patches: JSON merge patch (RFC 7386) and JSON patch (RFC 6902). Pure: (object, patch) -> new object.

The input is never changed; parts that the patch leaves alone are shared with it. Raises PatchError with the path.
"""

from __future__ import annotations

import copy
from typing import Any


class PatchError(ValueError):
    """The patch cannot be applied."""


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902: add, remove, replace, move, copy, test, in order; any failure fails all.

    Without `value` it is null, as the library of the Kubernetes API server has it: its clients leave empty ones out.
    """
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    made = copy.deepcopy(target)
    for i, operation in enumerate(operations):
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError(f"[{i}]: an operation needs op and path")
        try:
            made = _operate(made, operation)
        except KeyError as err:
            raise PatchError(f"[{i}]: {operation.get('op')} {operation['path']}: there is no {err}") from err
        except (IndexError, TypeError, ValueError) as err:
            raise PatchError(f"[{i}]: {operation.get('op')} {operation['path']}: {err}") from err
    return made


def _operate(target: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation.get("op"):
        case "add":
            return _add(target, path, operation.get("value"))
        case "remove":
            return _remove(target, path)
        case "replace":
            _get(target, path)
            return _add(_remove(target, path), path, operation.get("value")) if path else operation.get("value")
        case "move":
            source = _pointer(operation["from"])
            value = _get(target, source)
            return _add(_remove(target, source), path, value)
        case "copy":
            return _add(target, path, copy.deepcopy(_get(target, _pointer(operation["from"]))))
        case "test":
            if _get(target, path) != operation.get("value"):
                raise ValueError("the value differs")
            return target
        case other:
            raise ValueError(f"unknown operation {other!r}")


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise ValueError(f"{text!r} does not begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _get(target: Any, path: list[str]) -> Any:
    for part in path:
        target = target[_index(target, part)] if isinstance(target, list) else target[part]
    return target


def _index(target: list[Any], part: str, *, end: bool = False) -> int:
    if end and part == "-":
        return len(target)
    index = int(part) if part.isdigit() else -1
    if not 0 <= index < len(target) + end:
        raise IndexError(f"no index {part}")
    return index


def _add(target: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(target, path[:-1])
    if isinstance(parent, list):
        parent.insert(_index(parent, path[-1], end=True), value)
    else:
        parent[path[-1]] = value
    return target


def _remove(target: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent = _get(target, path[:-1])
    if isinstance(parent, list):
        del parent[_index(parent, path[-1])]
    else:
        del parent[path[-1]]
    return target
