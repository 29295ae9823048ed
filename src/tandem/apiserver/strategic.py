"""Strategic merge patch of built-in kinds: merge keys come from the field tables. Pure: (object, patch) -> new object.

Known directives: `$patch: replace|delete|merge`, `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`,
`$retainKeys`. The order of a merged list is: as `$setElementOrder` says, else old elements first, new ones after them.
"""

from __future__ import annotations

from typing import Any, Final

from tandem.apiserver.patch import PatchError
from tandem.model.schemas import tables

Raw = dict[str, Any]
ORDER: Final = "$setElementOrder/"
PRIMITIVES: Final = "$deleteFromPrimitiveList/"


def strategic_merge(target: Raw, patch: Raw, table: str) -> Raw:
    """`patch` merged into `target`, an object of type `table`."""
    return _objects(target, patch, table)


def _objects(target: Raw, patch: Raw, table: str) -> Raw:
    known = tables.fields(table) if tables.is_table(table) else {}
    directive = patch.get("$patch")
    if directive == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(target)
    if "$retainKeys" in patch:
        merged = {k: v for k, v in merged.items() if k in patch["$retainKeys"]}
    for name, value in patch.items():
        if name.startswith(PRIMITIVES):
            field = name.removeprefix(PRIMITIVES)
            merged[field] = [v for v in merged.get(field) or [] if v not in value]
        elif not name.startswith("$"):
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = _value(merged.get(name), value, known.get(name), name)
    for name, order in patch.items():
        plain = name.removeprefix(ORDER)
        form = known.get(plain) if name != plain else None
        if form is not None and isinstance(merged.get(plain), list):
            merged[plain] = _sorted(merged[plain], order, form.merge_key or "")
    return merged


def _value(old: Any, new: Any, field: tables.Field | None, name: str) -> Any:
    if field is None:  # an unknown field is refused later, with its path
        return new
    if field.type.shape == "list" and field.merge_key is not None and isinstance(new, list):
        return _lists(old if isinstance(old, list) else [], new, field, name)
    if field.type.shape == "map" and isinstance(new, dict):
        return _maps(old, new, field.type.base)
    if isinstance(new, dict):
        return _objects(old if isinstance(old, dict) else {}, new, field.type.base)
    return new


def _maps(old: Any, new: Raw, base: str) -> Raw:
    if new.get("$patch") == "replace":
        return {k: v for k, v in new.items() if k != "$patch"}
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _objects(merged.get(key) or {}, value, base)
        else:
            merged[key] = value
    return merged


def _lists(old: list[Any], new: list[Any], field: tables.Field, name: str) -> list[Any]:
    key = field.merge_key or ""
    if not key:
        return old + [v for v in new if v not in old]
    if any(isinstance(v, dict) and v.get("$patch") == "replace" for v in new):
        return [v for v in new if "$patch" not in v]
    merged = list(old)
    for item in new:
        if not isinstance(item, dict) or item.get(key) is None:
            raise PatchError(f"{name}: an element without its merge key {key!r}")
        where = next((i for i, v in enumerate(merged) if v.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            merged = [v for v in merged if v.get(key) != item[key]]
        elif where is None:
            merged.append(_objects({}, item, field.type.base))
        else:
            merged[where] = _objects(merged[where], item, field.type.base)
    return merged


def _sorted(items: list[Any], order: list[Any], key: str) -> list[Any]:
    """As `order` says; what it does not name keeps its place after the element it followed."""
    wanted = [v.get(key) if isinstance(v, dict) else v for v in order]
    rank = {v: i for i, v in enumerate(wanted)}
    last = -1
    ranked: list[tuple[int, int, int, Any]] = []
    for i, item in enumerate(items):
        name = item.get(key) if isinstance(item, dict) else item
        named = name in rank
        last = rank[name] if named else last
        ranked.append((last, 0 if named else 1, i, item))
    return [item for *_, item in sorted(ranked, key=lambda r: r[:3])]
