"""Builders of Consul's objects for tests: `intentions("web", source("a"))`; all of them go through `model.parse`."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

from tandem.model.consul import ServiceIntentions
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.consulroutes import ServiceResolver, ServiceRouter, ServiceSplitter
from tandem.model.consultokens import JWTProvider
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


def provider(name: str, *, ns: str = "default", **spec: Any) -> JWTProvider:
    """A JWTProvider of the issuer `i` with a key; keywords are the fields of its spec."""
    key: Raw = {"keys": [{"kty": "EC", "crv": "P-256", "x": "x", "y": "y"}]}
    keys = {"local": {"jwks": base64.b64encode(json.dumps(key).encode()).decode()}}
    return cast("JWTProvider", _object("JWTProvider", (name, ns, ""), {"issuer": "i", "jsonWebKeySet": keys, **spec}))


def jwt(*names: str, **claims: str) -> Raw:
    """What is asked of tokens: of one of these providers, with these claims (`a__b` is within `a`)."""
    asked = [{"path": path.split("__"), "value": value} for path, value in claims.items()]
    return {"providers": [{"name": name, **({"verifyClaims": asked} if asked else {})} for name in names]}


def router(name: str, *routes: Raw, ns: str = "default") -> ServiceRouter:
    """A ServiceRouter of that Service."""
    return cast("ServiceRouter", _object("ServiceRouter", (name, ns, ""), {"routes": list(routes)}))


def route(service: str = "", subset: str = "", *, match: Raw | None = None, **fields: Any) -> Raw:
    """A route of a ServiceRouter: `match` is its http, keywords are fields of its destination."""
    place = {**({"service": service} if service else {}), **({"serviceSubset": subset} if subset else {})}
    return {**({"match": {"http": match}} if match is not None else {}), "destination": {**place, **fields}}


def splitter(name: str, *splits: Raw, ns: str = "default") -> ServiceSplitter:
    """A ServiceSplitter of that Service."""
    return cast("ServiceSplitter", _object("ServiceSplitter", (name, ns, ""), {"splits": list(splits)}))


def split(weight: float, service: str = "", subset: str = "", **fields: Any) -> Raw:
    """A share in percent; keywords are its other fields."""
    place = {**({"service": service} if service else {}), **({"serviceSubset": subset} if subset else {})}
    return {"weight": weight, **place, **fields}


def resolver(name: str, *, ns: str = "default", **spec: Any) -> ServiceResolver:
    """A ServiceResolver of that Service; keywords are the fields of its spec."""
    return cast("ServiceResolver", _object("ServiceResolver", (name, ns, ""), spec))


def versions(*names: str) -> Raw:
    """Subsets by the version that pods say to Consul."""
    return {name: {"filter": f"Service.Meta.version == {name}"} for name in names}


def defaults(name: str, *, ns: str = "default", **spec: Any) -> ServiceDefaults:
    """ServiceDefaults of that Service; keywords are the fields of its spec."""
    return cast("ServiceDefaults", _object("ServiceDefaults", (name, ns, ""), spec))
