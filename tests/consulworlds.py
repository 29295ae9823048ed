"""Builders of Consul's objects for tests: `intentions("web", source("a"))`; all of them go through `model.parse`."""

from __future__ import annotations

from typing import Any, cast

from tandem.model.consul import ServiceIntentions
from tandem.model.meta import Object
from tandem.model.parse import parse

Raw = dict[str, Any]


def _object(kind: str, key: tuple[str, str, str], spec: Raw) -> Object:
    name, namespace, created = key
    meta: Raw = {"name": name, "namespace": namespace, "uid": f"uid-{kind}-{namespace}-{name}", "generation": 1}
    if created:
        meta["creationTimestamp"] = created
    return parse({"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": kind, "metadata": meta, "spec": spec})


def intentions(
    destination: str,
    *sources: Raw,
    name: str = "",
    ns: str = "default",
    created: str = "",
    of: str = "",
    **spec: Any,
) -> ServiceIntentions:
    """ServiceIntentions for a destination, in the namespace `of`; keywords are other fields of the spec."""
    where: Raw = {"name": destination, **({"namespace": of} if of else {})}
    given = {"destination": where, "sources": list(sources), **spec}
    name = name or (destination if destination != "*" else "all")
    return cast("ServiceIntentions", _object("ServiceIntentions", (name, ns, created), given))


def source(name: str, action: str = "allow", **fields: Any) -> Raw:
    """A source; with permissions it has no action."""
    return {"name": name, **({} if "permissions" in fields else {"action": action}), **fields}


def permission(action: str = "allow", **http: Any) -> Raw:
    """A permission; keywords are fields of its http, without any it has none."""
    return {"action": action, **({"http": http} if http else {})}
