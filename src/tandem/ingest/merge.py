"""The three-way merge of `apply`: last applied + manifest + live object -> the merge patch that makes it so. Pure.

What the manifest says is set; what the last manifest said and this one does not is removed; what others wrote stays.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tandem.ingest.defaults import default
from tandem.model.meta import RawObject
from tandem.model.parse import without_null

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_FOREIGN: Final = ("apiVersion", "kind", "status")
"""Not the manifest's business: the server answers in its own version, and status is an output."""
_ITEM_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ports": ("containerPort", "port"),
}
"""Lists of the core kinds whose items are merged by a key, as the API's `patchMergeKey` says; others are replaced."""
_CORE_KINDS: Final = frozenset({"Pod", "Deployment", "StatefulSet", "Service", "ServiceAccount"})


def with_last_applied(manifest: RawObject) -> RawObject:
    """The manifest with itself in the annotation that the next `apply` compares with."""
    bare: RawObject = without_null(copy.deepcopy(manifest))
    notes = bare["metadata"].setdefault("annotations", {})
    notes.pop(LAST_APPLIED, None)
    text = msgspec.json.encode(bare, order="sorted").decode() + "\n"
    notes[LAST_APPLIED] = text
    return bare


def last_applied(live: RawObject) -> RawObject | None:
    """What was applied last; None if the object was not made by `apply` (or the note is unreadable)."""
    text = (live.get("metadata", {}).get("annotations") or {}).get(LAST_APPLIED)
    if not isinstance(text, str):
        return None
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None


def apply_patch(manifest: RawObject, live: RawObject) -> dict[str, Any]:
    """The JSON merge patch that brings `live` to `manifest`; empty if there is nothing to do."""
    wanted = without_null(copy.deepcopy(manifest))
    for name in ("labels", "annotations"):  # others write here too: never removed as a whole
        if name in live["metadata"]:
            wanted["metadata"].setdefault(name, {})
    last = without_null(last_applied(live) or {})
    merged = three_way(last, wanted, live, defaulted=default(wanted), keyed=manifest["kind"] in _CORE_KINDS)
    for name in _FOREIGN:
        merged.pop(name, None)
        if name in live:
            merged[name] = live[name]
    if _differ(merged, live) or _differ(_without_notes(wanted), _without_notes(last)):
        merged["metadata"]["annotations"] = {
            **(merged["metadata"].get("annotations") or {}),
            LAST_APPLIED: with_last_applied(manifest)["metadata"]["annotations"][LAST_APPLIED],
        }
    return diff(live, merged)


def three_way(
    last: Mapping[str, Any],
    wanted: Mapping[str, Any],
    live: Mapping[str, Any],
    *,
    defaulted: Mapping[str, Any],
    keyed: bool,
) -> dict[str, Any]:
    """`live` with what `wanted` says and without what only `last` said; `keyed`: merge known lists by item."""
    merged = {k: copy.deepcopy(v) for k, v in live.items() if k in wanted or k not in last}
    for name, value in wanted.items():
        merged[name] = _value(name, (last.get(name), value, live.get(name), defaulted.get(name)), keyed=keyed)
    return merged


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON merge patch (RFC 7396) that makes `new` of `old`."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            if inner := diff(before, value):
                patch[name] = inner
        elif name not in old or before != value:
            patch[name] = value
    return patch


def _value(name: str, versions: tuple[Any, Any, Any, Any], *, keyed: bool) -> Any:
    last, wanted, live, defaulted = versions
    if isinstance(wanted, dict) and isinstance(live, dict):
        return three_way(_mapping(last), wanted, live, defaulted=_mapping(defaulted), keyed=keyed)
    if not isinstance(wanted, list) or not isinstance(live, list):
        return copy.deepcopy(wanted)
    key = _item_key(name, wanted, live) if keyed else None
    if key is None:
        return copy.deepcopy(live if live in (wanted, defaulted) else wanted)
    before, now, with_defaults = _by_key(last, key), _by_key(live, key), _by_key(defaulted, key)
    merged = [
        three_way(
            before.get(item[key], {}),
            item,
            now.get(item[key], {}),
            defaulted=with_defaults.get(item[key], {}),
            keyed=keyed,
        )
        for item in wanted
    ]
    chosen = {item[key] for item in wanted}
    merged += [copy.deepcopy(v) for k, v in now.items() if k not in chosen and k not in before]
    return merged


def _item_key(name: str, wanted: list[Any], live: list[Any]) -> str | None:
    """The field by which all items of both lists can be told apart; None if the list is replaced as a whole.

    Ports that repeat a number (TCP and UDP) cannot be told apart by it, and are replaced.
    """
    for key in _ITEM_KEYS.get(name, ()):
        if all(
            all(isinstance(i, dict) and key in i for i in items) and len({i[key] for i in items}) == len(items)
            for items in (wanted, live)
        ):
            return key
    return None


def _by_key(items: Any, key: str) -> dict[Any, dict[str, Any]]:
    return {i[key]: i for i in items or () if isinstance(i, dict) and key in i} if isinstance(items, list) else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(diff(one, other))


def _without_notes(raw: RawObject) -> RawObject:
    meta = raw.get("metadata") or {}
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
    return {**raw, "metadata": {**meta, "annotations": notes}}
