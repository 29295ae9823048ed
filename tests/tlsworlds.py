"""Builders of BackendTLSPolicies and of what they refer to; all of them go through `model.parse`."""

from __future__ import annotations

from typing import Any, cast

from gatewayworlds import API, edge, world
from issuing import authority
from tandem.model import core
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.secured import secure_backends
from tandem.translate.options import Options

Raw = dict[str, Any]


def target(name: str = "web", section: str = "", **more: Any) -> Raw:
    """A targetRef; a Service unless told."""
    return {"group": "", "kind": "Service", "name": name, **({"sectionName": section} if section else {}), **more}


def ca(name: str = "roots", **more: Any) -> Raw:
    """A reference to a bundle; a ConfigMap unless told."""
    return {"group": "", "kind": "ConfigMap", "name": name, **more}


def backend_tls(
    name: str = "tls",
    *targets: Raw,
    refs: tuple[Raw, ...] = (ca(),),
    ns: str = "default",
    created: str = "",
    status: Raw | None = None,
    options: dict[str, str] | None = None,
    **validation: Any,
) -> BackendTLSPolicy:
    """A policy about Service web; keywords are further fields of its validation."""
    meta = {"name": name, "namespace": ns, "generation": 1, **({"creationTimestamp": created} if created else {})}
    asked = {"hostname": "web.test", **({"caCertificateRefs": list(refs)} if refs else {}), **validation}
    spec = {"targetRefs": list(targets or (target(),)), "validation": asked, "options": options or {}}
    raw: Raw = {"apiVersion": API, "kind": "BackendTLSPolicy", "metadata": meta, "spec": spec}
    if status is not None:
        raw["status"] = status
    return cast("BackendTLSPolicy", parse(raw))


def bundle(name: str = "roots", text: str | None = None, *, ns: str = "default", key: str = "ca.crt") -> core.ConfigMap:
    """A ConfigMap with a bundle: that of the authority `one` unless told."""
    data = {key: authority().pem if text is None else text}
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns}, "data": data}
    return cast("core.ConfigMap", parse(raw))


def secured(*objects: Object, options: Options | None = None, made: Edge | None = None) -> Edge:
    """What the gateways of `gatewayworlds.world(*objects)` come to, with how they open connections to backends."""
    chosen = options or Options()
    return secure_backends(world(*objects), chosen, made or edge(*objects, options=chosen))
