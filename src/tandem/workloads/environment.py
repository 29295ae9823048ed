"""A container's environment and arguments, from its spec and what that refers to. Pure.

Follows Kubernetes: envFrom first, then env in order; `$(NAME)` refers to what was set before, `$$` is a dollar sign.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tandem.model import core
from tandem.model.images import Image

_REFERENCE: Final = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_FIELD_KEY: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(Exception):
    """Something that the spec refers to is missing; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The ConfigMaps and Secrets of a pod, by name; what does not exist is absent."""

    config_maps: Mapping[str, core.ConfigMap]
    secrets: Mapping[str, core.Secret]


def wanted(pod: core.Pod) -> tuple[frozenset[str], frozenset[str]]:
    """The names of the ConfigMaps and Secrets that a pod refers to, in environments and volumes."""
    maps: set[str] = set()
    secrets: set[str] = set()
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for source in container.env_from:
            maps.update([source.config_map_ref.name] if source.config_map_ref else ())
            secrets.update([source.secret_ref.name] if source.secret_ref else ())
        for variable in container.env:
            origin = variable.value_from or core.EnvSource()
            maps.update([origin.config_map_key_ref.name] if origin.config_map_key_ref else ())
            secrets.update([origin.secret_key_ref.name] if origin.secret_key_ref else ())
    for volume in pod.spec.volumes:
        maps.update([volume.config_map.name] if volume.config_map else ())
        secrets.update([volume.secret.secret_name] if volume.secret else ())
    return frozenset(maps), frozenset(secrets)


def resolve(
    pod: core.Pod,
    container: core.Container,
    references: References,
    *,
    addresses: Sequence[str],
    host_ips: Sequence[str],
) -> dict[str, str]:
    """The environment; raises ConfigError for a reference that does not exist and is not optional."""
    environment: dict[str, str] = {}
    for i, source in enumerate(container.env_from):
        environment.update(_all_of(source, references, f"envFrom[{i}]"))
    fields = _fields(pod, addresses, host_ips)
    for variable in container.env:
        if variable.value_from is None:
            environment[variable.name] = expand(variable.value, environment)
            continue
        value = _value(variable, references, fields)
        if value is not None:
            environment[variable.name] = value
    return environment


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`$(NAME)` -> its value, or unchanged if there is none; `$$(NAME)` -> `$(NAME)`."""

    def one(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return environment.get(found[1], found[0])

    return _REFERENCE.sub(one, text)


def arguments(container: core.Container, image: Image | None, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The command line: command and args stand before entrypoint and cmd of the image, as Kubernetes has it.

    A command takes the place of both, args that of cmd. Empty if there is neither command nor image.
    """
    given = tuple(expand(word, environment) for word in (*container.command, *container.args))
    if container.command:
        return given
    return (*image.entrypoint, *(given or image.cmd)) if image is not None else ()


def decoded(secret: core.Secret) -> dict[str, bytes]:
    """A Secret's data; raises ConfigError if it is not base64."""
    try:
        return {key: base64.b64decode(value) for key, value in secret.data.items()}
    except ValueError as err:
        raise ConfigError(f'secret "{secret.metadata.name}": data is not base64') from err


def _texts(secret: core.Secret | None, name: str) -> dict[str, str]:
    try:
        return {k: v.decode() for k, v in decoded(secret).items()} if secret else {}
    except UnicodeDecodeError as err:
        raise ConfigError(f'secret "{name}": an environment variable must be UTF-8') from err


def _all_of(source: core.EnvFrom, references: References, at: str) -> Iterator[tuple[str, str]]:
    if source.config_map_ref is not None:
        found = references.config_maps.get(source.config_map_ref.name)
        if found is None and not source.config_map_ref.optional:
            raise ConfigError(f'{at}: configmap "{source.config_map_ref.name}" not found')
        yield from ((source.prefix + k, v) for k, v in (found.data if found else {}).items())
    if source.secret_ref is not None:
        secret = references.secrets.get(source.secret_ref.name)
        if secret is None and not source.secret_ref.optional:
            raise ConfigError(f'{at}: secret "{source.secret_ref.name}" not found')
        yield from ((source.prefix + k, v) for k, v in _texts(secret, source.secret_ref.name).items())


def _value(variable: core.EnvVar, references: References, fields: Mapping[str, str]) -> str | None:
    origin = variable.value_from or core.EnvSource()
    if origin.field_ref is not None:
        path = origin.field_ref.field_path
        if path not in fields and not _FIELD_KEY.fullmatch(path):
            raise ConfigError(f"env {variable.name}: fieldRef.fieldPath {path!r} is not supported")
        return fields.get(path, "")
    if (ref := origin.config_map_key_ref) is not None:
        config_map = references.config_maps.get(ref.name)
        return _key(ref, config_map.data if config_map else None, f'configmap "{ref.name}"')
    if (ref := origin.secret_key_ref) is not None:
        secret = references.secrets.get(ref.name)
        data = _texts(secret, ref.name) if secret else None
        return _key(ref, data, f'secret "{ref.name}"')
    raise ConfigError(f"env {variable.name}: valueFrom must be a fieldRef, a configMapKeyRef or a secretKeyRef")


def _key(ref: core.KeySelector, data: Mapping[str, str] | None, what: str) -> str | None:
    if data is None or ref.key not in data:
        if ref.optional:
            return None
        raise ConfigError(f"{what} not found" if data is None else f'couldn\'t find key "{ref.key}" in {what}')
    return data[ref.key]


def _fields(pod: core.Pod, addresses: Sequence[str], host_ips: Sequence[str]) -> dict[str, str]:
    meta = pod.metadata
    return {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.podIP": addresses[0] if addresses else "",
        "status.podIPs": ",".join(addresses),
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        **{f"metadata.labels['{k}']": v for k, v in meta.labels.items()},
        **{f"metadata.annotations['{k}']": v for k, v in meta.annotations.items()},
    }
