"""A raw value against a field table: unknown fields, wrong types, missing fields; out come `path: text` lines.

Every error at once, in the order of the document. The rules of `rules_*.py` join in at each object of their type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tandem.model.schemas import (
    rules_backendtraffic,
    rules_canary,
    rules_consul,
    rules_consultokens,
    rules_destinationrule,
    rules_events,
    rules_faults,
    rules_gateway,
    rules_ipam,
    rules_istiogateway,
    rules_istiosecurity,
    rules_kubernetes,
    rules_linkerd,
    rules_linkerdprofile,
    rules_listeners,
    rules_network,
    rules_policy,
    rules_ratelimit,
    rules_serviceentry,
    rules_tandem,
    rules_telemetry,
    rules_tls,
    rules_trafficpolicy,
    rules_trust,
    rules_validation,
    rules_virtualservice,
    tables,
)
from tandem.model.schemas.complaint import invalid, required, unsupported
from tandem.model.schemas.syntax import SCALARS, hint, label_value, name_of, qualified

UNKNOWN: Final = ": unknown field"
ABSENT: Final = {"peakewma": "this build of Envoy has no peak-EWMA; the least requests come nearest to it"}
"""Choices that users know from elsewhere, in small letters alone -> why they are none here."""
RULES = {
    **rules_kubernetes.RULES,
    **rules_network.RULES,
    **rules_policy.RULES,
    **rules_virtualservice.RULES,
    **rules_destinationrule.RULES,
    **rules_serviceentry.RULES,
    **rules_istiosecurity.RULES,
    **rules_istiogateway.RULES,
    **rules_gateway.RULES,
    **rules_listeners.RULES,
    **rules_tls.RULES,
    **rules_validation.RULES,
    **rules_tandem.RULES,
    **rules_telemetry.RULES,
    **rules_ipam.RULES,
    **rules_canary.RULES,
    **rules_events.RULES,
    **rules_ratelimit.RULES,
    **rules_faults.RULES,
    **rules_trafficpolicy.RULES,
    **rules_backendtraffic.RULES,
    **rules_consul.RULES,
    **rules_consultokens.RULES,
    **rules_linkerd.RULES,
    **rules_linkerdprofile.RULES,
    **rules_trust.RULES,
}


def walk(value: object, table: str, at: str = "") -> Iterator[str]:
    """What is wrong with `value` as an object of type `table`; `at` is its path."""
    return iter(_object(value, table, at)[0])


_Read = tuple[list[str], object]
"""What is wrong with a value, and what rules of what it is in see of it: known fields alone, and none that is null.

The rule of an object itself sees its unknown fields, too: "needs one of" is no complaint about a name with a mistake.
"""


def _object(value: object, table: str, at: str) -> _Read:
    if not isinstance(value, dict):
        return [f"{at or table}: must be an object, not {name_of(value)}"], value
    known = tables.fields(table)
    wrongs: list[str] = []
    seen: dict[str, object] = {}
    own: dict[str, object] = {}
    for name, item in value.items():
        where = f"{at}.{name}" if at else str(name)
        field = known.get(name)
        if field is None:
            wrongs.append(f"{where}{UNKNOWN}{_suggest(str(name), item, table)}")
            own[name] = item
        elif item is not None:  # null is absent
            found, seen[name] = _field(item, field.type, where)
            wrongs += found
    # A field too many does not spoil the known ones.
    sound = all(UNKNOWN in wrong for wrong in wrongs)
    missing = [name for name, field in known.items() if field.required and value.get(name) is None]
    wrongs += [required(f"{at}.{name}" if at else name) for name in missing]
    # A rule reads its object's fields by their types, so it only judges what has the right form.
    rule = RULES.get(table)
    if rule is not None and sound and not missing:
        wrongs += rule({**seen, **own}, at)
    return wrongs, seen


def unknown_fields(value: object, table: str, at: str) -> Iterator[str]:
    """Of what `walk` would say, only the fields that no table has: a fraction of the work."""
    if not isinstance(value, dict):
        return
    known = tables.fields(table)
    for name, item in value.items():
        where = f"{at}.{name}"
        field = known.get(name)
        if field is None:
            yield f"{where}{UNKNOWN}{_suggest(str(name), item, table)}"
        elif tables.is_table(field.type.base):
            if field.type.shape == "one":
                yield from unknown_fields(item, field.type.base, where)
            elif field.type.shape == "list" and isinstance(item, list):
                for i, part in enumerate(item):
                    yield from unknown_fields(part, field.type.base, f"{where}[{i}]")
            elif field.type.shape == "map" and isinstance(item, dict):
                for key, part in item.items():
                    yield from unknown_fields(part, field.type.base, f"{where}[{key}]")


def _field(value: object, form: tables.Type, at: str) -> _Read:
    if form.shape == "list":
        if not isinstance(value, list):
            return [f"{at}: must be a list, not {name_of(value)}"], value
        items = [_one(item, form, f"{at}[{i}]") for i, item in enumerate(value)]
        return [wrong for wrongs, _ in items for wrong in wrongs], [seen for _, seen in items]
    if form.shape == "map":
        if not isinstance(value, dict):
            return [f"{at}: must be an object, not {name_of(value)}"], value
        named = {key: _one(item, form, f"{at}[{key}]") for key, item in value.items()}
        return [wrong for wrongs, _ in named.values() for wrong in wrongs], {k: seen for k, (_, seen) in named.items()}
    return _one(value, form, at)


def _one(value: object, form: tables.Type, at: str) -> _Read:
    if tables.is_table(form.base):
        return _object(value, form.base, at)
    return list(_scalar(value, form, at)), value


def _scalar(value: object, form: tables.Type, at: str) -> Iterator[str]:
    base = form.base
    if base == "enum":
        if not isinstance(value, str):
            yield f"{at}: must be a string, not {name_of(value)}"
        elif value not in form.choices and value:
            yield unsupported(at, value, form.choices, ABSENT.get(re.sub("[_-]", "", value).lower(), ""))
    elif base == "intenum":
        if isinstance(value, bool) or str(value) not in form.choices:
            yield unsupported(at, value, form.choices)
    elif base in {"labels", "annotations"}:
        yield from _texts(value, at, values=base == "labels")
    elif wrong := SCALARS[base](value):
        yield f"{at}: {wrong}"


def _texts(value: object, at: str, *, values: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at}: must be an object, not {name_of(value)}"
        return
    for key, item in value.items():
        wrong = qualified(str(key))
        if wrong:
            yield invalid(at, str(key), wrong)
        elif item is not None and not isinstance(item, str):
            yield f"{at}[{key}]: must be a string, not {name_of(item)}{hint(item)}"
        elif values and item and (wrong := label_value(item)):
            yield invalid(f"{at}[{key}]", item, wrong)


def _suggest(name: str, value: object, table: str) -> str:
    import difflib

    if table == "LabelSelector" and isinstance(value, str):
        return " (labels stand under matchLabels)"
    folded = {k.lower(): k for k in tables.fields(table)}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return f' (did you mean "{folded[close[0]]}"?)' if close else ""
