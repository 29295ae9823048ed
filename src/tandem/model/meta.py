"""metadata, as every kind carries it, and the base of all model types."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem.base.problems import Origin

SOURCE_ANNOTATION = "tandem.io/source"
"""`file:line` of the document that an object was applied from; written by `tandem apply`."""
LINES_ANNOTATION = "tandem.io/source-lines"
"""`spec.ingress[0]=12,spec.http[1]=30`: the lines of the rules in that file."""


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A frozen value parsed from JSON; unknown fields were refused before (model/schema.py)."""


class OwnerReference(Model, frozen=True, kw_only=True):
    """metadata.ownerReferences[]."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class Meta(Model, frozen=True, kw_only=True):
    """ObjectMeta, the fields that we read."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = msgspec.field(default=(), name="$unreadable")
    """What of the object nobody here understood, `path: text`; written by whoever read it, never by the API."""


class Condition(Model, frozen=True, kw_only=True):
    """metav1.Condition and its relatives (Pod, Deployment conditions)."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str | None = None


class Status(Model, frozen=True, kw_only=True):
    """status of the kinds whose conditions we write."""

    conditions: tuple[Condition, ...] = ()


class Object(Model, frozen=True, kw_only=True):
    """What all kinds share."""

    api_version: str
    kind: str
    metadata: Meta

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name); namespace is empty for cluster-scoped kinds."""
        return self.metadata.namespace, self.metadata.name

    def origin(self, path: str = "") -> Origin:
        """The Origin of the object, or of the rule at `path` in it, with file:line where it was applied from a file."""
        notes = self.metadata.annotations
        source = notes.get(SOURCE_ANNOTATION, "")
        if path and source:
            line = _line(_lines(notes.get(LINES_ANNOTATION, "")), path)
            if line:
                source = f"{source.rpartition(':')[0]}:{line}"
        return Origin(
            kind=self.kind, namespace=self.metadata.namespace, name=self.metadata.name, path=path, source=source
        )


def _lines(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _line(lines: dict[str, str], path: str) -> str:
    """That of the path, else of the nearest item that it is in: `spec.rules[1]` for `spec.rules[1].backendRefs[0]`."""
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return lines.get(path, "")


RawObject = dict[str, Any]
"""A decoded JSON object, before parse."""
