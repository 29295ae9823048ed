"""What the API server checks in Events, of both forms, beyond the form of single fields. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from tandem.model.schemas.complaint import invalid
from tandem.model.schemas.rules_kubernetes import Rule

OF_THE_CLUSTER: Final = ("default", "kube-system")
"""Where Events about objects without a namespace may be."""


def _event(about: str, raw: dict[str, Any], at: str) -> Iterator[str]:
    own = (raw.get("metadata") or {}).get("namespace") or "default"
    space = (raw.get(about) or {}).get("namespace") or ""
    where = f"{at}.{about}.namespace".removeprefix(".")
    if space and space != own:
        yield invalid(where, space, f"does not match the namespace of the event, {own!r}")
    elif not space and own not in OF_THE_CLUSTER:
        yield invalid(where, space, f"an event about an object without a namespace is in {' or '.join(OF_THE_CLUSTER)}")


RULES: Final[dict[str, Rule]] = {
    "Event": partial(_event, "involvedObject"),
    "GroupEvent": partial(_event, "regarding"),
}
