"""Golden cases of translation: a file of objects -> a World, and values in the form in which a reviewer reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from builders import endpoint_slice
from tandem.model import core
from tandem.model.kinds import BY_KIND, name_of
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.selectors import matches_map
from tandem.model.world import World


def load(path: Path) -> World:
    """The objects of a file, with the EndpointSlices that their pods and Services come to."""
    objects: list[Object] = []
    for raw in yaml.safe_load_all(path.read_text()):
        meta = raw.setdefault("metadata", {})
        if BY_KIND[name_of(raw)].namespaced:
            meta.setdefault("namespace", "default")
        meta.setdefault("uid", f"uid-{meta.get('namespace', '')}-{meta['name']}")
        meta.setdefault("generation", 1)
        objects.append(parse(raw))
    pods = [o for o in objects if isinstance(o, core.Pod)]
    for service in [o for o in objects if isinstance(o, core.Service)]:
        behind = [
            p
            for p in pods
            if p.metadata.namespace == service.metadata.namespace
            and matches_map(service.spec.selector, p.metadata.labels)
        ]
        objects.append(endpoint_slice(service, behind))
    return World.of(objects)


def brief(value: Any) -> Any:
    """Without what is empty: a reviewer reads what is there."""
    if isinstance(value, dict):
        small = {k: brief(v) for k, v in value.items()}
        return {k: v for k, v in small.items() if v}
    if isinstance(value, (list, tuple)):
        return [brief(v) for v in value]
    return value


def untimed(value: Any) -> None:
    """Take the times out of conditions."""
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        untimed(item)
    if isinstance(value, dict):
        value.pop("lastTransitionTime", None)
