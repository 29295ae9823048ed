"""OpenAPI v3 from the field tables: enough for `kubectl explain`, and for kubectl to leave validation to the server."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from tandem.apiserver.discovery import groups
from tandem.apiserver.records import dumps
from tandem.base.digest import digest
from tandem.model.kinds import KINDS, Kind
from tandem.model.schemas import tables

Raw = dict[str, Any]
FORMS: Final[dict[str, Raw]] = {
    "int": {"type": "integer"},
    "uint": {"type": "integer"},
    "port": {"type": "integer"},
    "port0": {"type": "integer"},
    "weight": {"type": "integer"},
    "percent": {"type": "integer"},
    "intenum": {"type": "integer"},
    "intstr": {"x-kubernetes-int-or-string": True, "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "portref": {"x-kubernetes-int-or-string": True, "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "qty": {"x-kubernetes-int-or-string": True, "oneOf": [{"type": "string"}, {"type": "number"}]},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    "obj": {"type": "object"},
    "any": {"type": "object"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
}
"""Scalars that are not plain text."""
QUERY: Final = ("dryRun", "fieldManager", "fieldValidation")


VERSION_2: Final = b"\x0a\x032.0"
"""/openapi/v2 for kubectl before 1.27 (Debian 12 has 1.20), which reads protobuf: a document without definitions.

Such a kubectl then leaves validation to the server, where it is done anyway.
"""


def paths() -> tuple[str, ...]:
    """`api/v1` and `apis/<group>/<version>` of all that is served."""
    return ("api/v1", *(f"apis/{g}/{v}" for g, versions in groups().items() for v in versions))


def index() -> Raw:
    """/openapi/v3."""
    return {"paths": {p: {"serverRelativeURL": f"/openapi/v3/{p}?hash={digest(document(p) or b'')}"} for p in paths()}}


@cache
def document(path: str) -> bytes | None:
    """/openapi/v3/<path>, encoded; None if there is no such group and version."""
    if path not in paths():
        return None
    group, _, version = path.partition("/")[2].rpartition("/")
    kinds = [k for k in KINDS if k.group == group and version in k.versions]
    schemas: dict[str, Raw] = {}
    operations: dict[str, Raw] = {}
    for kind in kinds:
        gvk = {"group": group, "version": version, "kind": kind.kind}
        _collect(kind.name, schemas)
        schemas[kind.name] = {**schemas[kind.name], "x-kubernetes-group-version-kind": [gvk]}
        scope = "/namespaces/{namespace}" if kind.namespaced else ""
        operations[f"/{path}{scope}/{kind.plural}"] = {"post": _operation("post", gvk, kind)}
        named = {verb: _operation(verb, gvk, kind) for verb in ("get", "put", "patch", "delete")}
        operations[f"/{path}{scope}/{kind.plural}/{{name}}"] = named
    info = {"title": "Tandem", "version": "v1.32.0"}
    components = {"schemas": dict(sorted(schemas.items()))}
    return dumps({"openapi": "3.0.0", "info": info, "paths": operations, "components": components})


def _operation(verb: str, gvk: Raw, kind: Kind) -> Raw:
    query = [{"name": q, "in": "query", "schema": {"type": "string"}} for q in QUERY]
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.name}"}}}
    return {
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": gvk,
        "parameters": query,
        "responses": {"200": {"description": "OK", "content": content}},
    }


def _collect(name: str, into: dict[str, Raw]) -> None:
    if name in into:
        return
    known = tables.fields(name)
    entry: Raw = {"type": "object", "description": f"{name} as this server validates it."}
    into[name] = entry
    entry["properties"] = {field: _field(form.type, into) for field, form in known.items()}
    required = [field for field, form in known.items() if form.required]
    if required:
        entry["required"] = required


def _field(form: tables.Type, into: dict[str, Raw]) -> Raw:
    one = _one(form, into)
    match form.shape:
        case "list":
            return {"type": "array", "items": one}
        case "map":
            return {"type": "object", "additionalProperties": one}
    return one


def _one(form: tables.Type, into: dict[str, Raw]) -> Raw:
    base = form.base
    if tables.is_table(base):
        _collect(base, into)
        return {"$ref": f"#/components/schemas/{base}"}
    if base == "enum":
        return {"type": "string", "enum": list(form.choices)}
    return FORMS.get(base, {"type": "string"})
