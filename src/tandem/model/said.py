"""What there is to tell of an object: a value that pure code can make; `ingest/recorder.py` makes Events of it."""

from __future__ import annotations

from dataclasses import dataclass

from tandem.model.events import Reference
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence about an object."""

    about: Reference
    reason: str
    message: str
    warning: bool = False


def reference(obj: Object, field_path: str = "") -> Reference:
    """The object, or a part of it, as Events name it."""
    meta = obj.metadata
    return Reference(
        api_version=obj.api_version,
        kind=BY_KIND[obj.kind].kind,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid if obj.kind != "Node" else meta.name,  # as kubelets name their nodes, and kubectl looks for them
        field_path=field_path,
    )


def say(obj: Object, reason: str, message: str, *, warning: bool = False) -> Said:
    """To be told of the whole object."""
    return Said(about=reference(obj), reason=reason, message=message, warning=warning)
