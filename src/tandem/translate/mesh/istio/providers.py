"""extensionProviders of Istio's mesh configuration -> whom a CUSTOM policy may have asked. Pure.

They stand in the mesh configuration (`meshconfig.py`). One that cannot be used as it is written is known with what is
wrong with it: policies that name it are closed and say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.authz import CheckBody, ExternalCheck, Suffix, Text
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import Exact, Prefix, Present
from tandem.model.core import Service
from tandem.model.egress import ServiceEntry
from tandem.model.meshconfig import GrpcProvider, HttpProvider, Provider
from tandem.model.schemas.protojson import from_protojson
from tandem.model.schemas.walk import walk
from tandem.model.world import World
from tandem.translate.mesh.context import resolve_host, service_of
from tandem.translate.mesh.istio.meshconfig import read_mesh_config
from tandem.translate.mesh.istio.serviceentry import ADDRESSED, read_entries
from tandem.translate.mesh.values import milliseconds
from tandem.translate.options import Options
from tandem.translate.protocols import app_protocol

FIELD: Final = "extensionProviders"
TIMEOUT_MS: Final = 600_000
"""Istio's, where none is given."""
_KINDS: Final = ("envoyExtAuthzHttp", "envoyExtAuthzGrpc")

Providers = Mapping[str, ExternalCheck | str]
"""By name: how it is asked, or what is wrong with it."""


def read_providers(world: World, options: Options) -> Providers:
    """Every provider of the mesh configuration that has a name."""
    found: dict[str, ExternalCheck | str] = {}
    for at, name, raw in _named(world, options):
        found[name] = f"{at}.name: {name!r} is defined twice" if name in found else _read(raw, at, world, options)
    return found


def provider_problems(world: World, options: Options) -> tuple[Problem, ...]:
    """Those that cannot be used, whether a policy names them or not."""
    origin = read_mesh_config(world, options).at
    wrong = [
        *(text for text in read_providers(world, options).values() if isinstance(text, str)),
        *(f"{at}.name: it has none, so that no policy can name it" for at in _nameless(world, options)),
    ]
    return tuple(
        Problem(at=origin, code="UnsupportedValue", text=text, severity=Severity.WARNING)
        for text in wrong
        if origin is not None
    )


def _listed(world: World, options: Options) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, name (empty: none) and what was written, of each."""
    listed = read_mesh_config(world, options).fields.get(FIELD)
    for i, raw in enumerate(listed if isinstance(listed, list) else ()):
        given = from_protojson(raw, "MeshExtensionProvider") if isinstance(raw, dict) else {}
        name = given.get("name")
        yield f"{FIELD}[{i}]", name if isinstance(name, str) else "", given


def _named(world: World, options: Options) -> Iterator[tuple[str, str, dict[str, Any]]]:
    return (entry for entry in _listed(world, options) if entry[1])


def _nameless(world: World, options: Options) -> Iterator[str]:
    return (at for at, name, _ in _listed(world, options) if not name)


def _read(raw: dict[str, Any], at: str, world: World, options: Options) -> ExternalCheck | str:
    given = [kind for kind in _KINDS if kind in raw]
    if len(given) != 1:
        return f"{at}: authorizes nobody: it needs one of {', '.join(_KINDS)}"
    wrong = list(walk(raw, "MeshExtensionProvider", at))
    if wrong:
        return wrong[0]
    provider = msgspec.convert(raw, Provider)
    if provider.http is not None:
        return _check(provider.name, provider.http, f"{at}.{_KINDS[0]}", world, options)
    assert provider.grpc is not None  # noqa: S101 - one of the two is given
    return _check(provider.name, provider.grpc, f"{at}.{_KINDS[1]}", world, options)


def _check(name: str, spec: GrpcProvider, at: str, world: World, options: Options) -> ExternalCheck | str:
    service, own = _service(spec.service, world, options)
    port = next((p for p in service.spec.ports if p.port == spec.port), None) if service is not None else None
    timeout = milliseconds(spec.timeout)
    status = spec.status_on_error or "403"
    if service is None or port is None:
        what = "no Service, and no ServiceEntry with endpoints of its own,"
        return f"{at}.service: there is {what} for {spec.service}, port {spec.port}"
    grpc = not isinstance(spec, HttpProvider)
    if grpc is not (app_protocol(port) in {AppProtocol.GRPC, AppProtocol.HTTP2}):
        word = "grpc" if grpc else "http"
        return f"{at}.port: {spec.port} of {spec.service} is no {word}: set its appProtocol, or name it {word}-…"
    if not timeout and spec.timeout:
        return f"{at}.timeout: {spec.timeout!r} is not a time"
    if not (status.isdigit() and int(status) in set(HTTPStatus) and int(status) >= HTTPStatus.OK):
        return f"{at}.statusOnError: {status!r} is not a status of an answer"
    made = ExternalCheck(
        name=name,
        namespace=service.metadata.namespace,
        service=service.metadata.name,
        port=spec.port,
        grpc=grpc,
        own=_own(own, port.port) if own is not None else None,
        timeout_ms=timeout or TIMEOUT_MS,
        fail_open=spec.fail_open,
        status_on_error=int(status),
        clear_route_cache=spec.clear_route_cache,
        body=_body(spec),
    )
    return _over_http(made, spec) if isinstance(spec, HttpProvider) else made


def _service(text: str, world: World, options: Options) -> tuple[Service | None, ServiceEntry | None]:
    """A Service, or a host of a ServiceEntry that has endpoints of its own, in the form of one; `[NAMESPACE/]HOST`.

    With the entry where it is at the loopback of whoever asks.
    """
    home, _, host = text.rpartition("/")
    key = resolve_host(host, home or options.root_namespace, options.cluster_domain)
    if key is not None:
        return world.get(Service, *key), None
    entries = read_entries(world, options)
    for hosts in (entries.hosts, entries.own):
        known = msgspec.structs.replace(entries, hosts=hosts)
        found = (home, host.lower()) if home else known.find(host.lower(), options.root_namespace)
        entry = hosts.get(found) if found is not None else None
        if found is not None and entry is not None and entry.spec.resolution in ADDRESSED:
            return service_of(found, world, known), entry if hosts is entries.own else None
    return None, None


def _own(entry: ServiceEntry, number: int) -> tuple[str, int]:
    """Where a pod finds it."""
    end, port = entry.spec.endpoints[0], next(p for p in entry.spec.ports if p.number == number)
    return end.address, end.ports.get(port.name, port.target_port or number)


def _body(spec: GrpcProvider) -> CheckBody | None:
    body = spec.include_request_body_in_check
    if body is None or not body.max_request_bytes:
        return None
    return CheckBody(max_bytes=body.max_request_bytes, partial=body.allow_partial_message, raw=body.pack_as_bytes)


def _over_http(check: ExternalCheck, spec: HttpProvider) -> ExternalCheck:
    return msgspec.structs.replace(
        check,
        path_prefix=spec.path_prefix,
        request_headers=_names(spec.include_request_headers_in_check or spec.include_headers_in_check),
        added_headers=tuple(sorted(spec.include_additional_headers_in_check.items())),
        upstream_on_allow=_names(spec.headers_to_upstream_on_allow),
        downstream_on_deny=_names(spec.headers_to_downstream_on_deny),
        downstream_on_allow=_names(spec.headers_to_downstream_on_allow),
    )


def _names(patterns: tuple[str, ...]) -> tuple[Text, ...]:
    return tuple(map(_name, patterns))


def _name(pattern: str) -> Text:
    if pattern == "*":
        return Present()
    if pattern.startswith("*"):
        return Suffix(pattern[1:])
    return Prefix(pattern[:-1]) if pattern.endswith("*") else Exact(pattern)
