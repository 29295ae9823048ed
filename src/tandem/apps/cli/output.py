"""Objects as JSON and YAML text, as `-o json` and `-o yaml` print them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import yaml

from tandem.apps.cli.session import CommandError
from tandem.model.meta import RawObject

LIST: Final = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}}


def as_json(value: Any) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=4).decode()


def as_yaml(value: Any) -> str:
    """Block-style YAML with keys in the order of the API."""
    return str(yaml.safe_dump(value, sort_keys=False, default_flow_style=False, allow_unicode=True)).rstrip("\n")


def ordered(raw: RawObject) -> RawObject:
    """apiVersion, kind, metadata, spec first, and status last."""
    head: RawObject = {k: raw[k] for k in ("apiVersion", "kind", "metadata", "spec") if k in raw}
    middle = {k: v for k, v in raw.items() if k not in head and k != "status"}
    return {**head, **middle, **({"status": raw["status"]} if "status" in raw else {})}


def check_format(output: str, allowed: tuple[str, ...]) -> None:
    """CommandError (wrong use) for an `-o` that is not offered."""
    if output not in allowed:
        raise CommandError(f"-o {output}: choose one of {', '.join(a for a in allowed if a)}", status=2)
