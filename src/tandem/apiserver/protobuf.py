"""Bodies that `kubectl create <kind>` and typed clients send: Kubernetes protobuf -> a raw object. Pure.

Only the fields that those write mostly are known, by number (generated.proto of the API). A field that is not known
and holds something is refused; empty ones are absent, because the API's messages write out every empty field.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

MAGIC: Final = b"k8s\x00"
Raw = dict[str, Any]
# message -> number -> (JSON name, form); forms: str, int, bool, bytes, or a message; [x] list, {x} map of str to x.
MESSAGES: Final[dict[str, dict[int, tuple[str, str]]]] = {
    "ObjectMeta": {
        1: ("name", "str"),
        2: ("generateName", "str"),
        3: ("namespace", "str"),
        11: ("labels", "{str}"),
        12: ("annotations", "{str}"),
    },
    "Namespace": {1: ("metadata", "ObjectMeta")},
    "ServiceAccount": {1: ("metadata", "ObjectMeta")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "{str}"),
        3: ("binaryData", "{bytes}"),
        4: ("immutable", "bool"),
    },
    "Secret": {1: ("metadata", "ObjectMeta"), 2: ("data", "{bytes}"), 3: ("type", "str"), 4: ("stringData", "{str}")},
    "Service": {1: ("metadata", "ObjectMeta"), 2: ("spec", "ServiceSpec")},
    "ServiceSpec": {
        1: ("ports", "[ServicePort]"),
        2: ("selector", "{str}"),
        3: ("clusterIP", "str"),
        4: ("type", "str"),
        10: ("externalName", "str"),
    },
    "ServicePort": {
        1: ("name", "str"),
        2: ("protocol", "str"),
        3: ("port", "int"),
        4: ("targetPort", "IntOrString"),
        5: ("nodePort", "int"),
    },
    "IntOrString": {1: ("type", "int"), 2: ("int", "int"), 3: ("str", "str")},
    "Deployment": {1: ("metadata", "ObjectMeta"), 2: ("spec", "DeploymentSpec")},
    "DeploymentSpec": {1: ("replicas", "int"), 2: ("selector", "LabelSelector"), 3: ("template", "PodTemplate")},
    "LabelSelector": {1: ("matchLabels", "{str}")},
    "PodTemplate": {1: ("metadata", "ObjectMeta"), 2: ("spec", "PodSpec")},
    "PodSpec": {2: ("containers", "[Container]")},
    "Container": {1: ("name", "str"), 2: ("image", "str"), 3: ("command", "[str]"), 6: ("ports", "[ContainerPort]")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"),
        2: ("preconditions", "Preconditions"),
        3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "str"),
        5: ("dryRun", "[str]"),
    },
    "Preconditions": {1: ("uid", "str"), 2: ("resourceVersion", "str")},
    "ContainerPort": {1: ("name", "str"), 3: ("containerPort", "int"), 4: ("protocol", "str")},
}
ROOTS: Final = frozenset(
    {"Namespace", "ServiceAccount", "ConfigMap", "Secret", "Service", "Deployment", "DeleteOptions"}
)
MEANT_ZEROS: Final = frozenset({"replicas", "gracePeriodSeconds"})
"""Numbers of which none is another thing than 0; who writes them means it."""


class ProtobufError(ValueError):
    """The body is not of the known form, or holds a field that is not known."""


def decode(body: bytes) -> Raw:
    """The object in a protobuf body; raises ProtobufError."""
    if not body.startswith(MAGIC):
        raise ProtobufError("the body is not Kubernetes protobuf")
    try:
        envelope = dict(_fields(body[len(MAGIC) :]))
        names = dict(_fields(_bytes(envelope.get(1, b""))))
        version, kind = _bytes(names.get(1, b"")).decode(), _bytes(names.get(2, b"")).decode()
        if kind not in ROOTS:
            raise ProtobufError(f"protobuf is not understood for {kind}")
        return {"apiVersion": version, "kind": kind, **_message(_bytes(envelope.get(2, b"")), kind, kind)}
    except (IndexError, UnicodeDecodeError) as err:
        raise ProtobufError("the body is cut off or not Kubernetes protobuf") from err


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 2:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise IndexError
                yield tag >> 3, data[at : at + size]
                at += size
            case other:
                raise ProtobufError(f"unexpected wire type {other}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ProtobufError("a number where bytes belong")
    return value


def _message(data: bytes, name: str, at: str) -> Raw:
    made: Raw = {}
    for number, value in _fields(data):
        known = MESSAGES[name].get(number)
        if known is None:
            if not _empty(value):
                raise ProtobufError(f"{at}: field number {number} is not understood in protobuf")
            continue
        field, form = known
        where = f"{at}.{field}"
        if form.startswith("["):
            made.setdefault(field, []).append(_value(value, form[1:-1], where))
        elif form.startswith("{"):
            entry = dict(_fields(_bytes(value)))
            made.setdefault(field, {})[_bytes(entry.get(1, b"")).decode()] = _value(
                entry.get(2, b""), form[1:-1], where
            )
        elif not _empty(value) or field in MEANT_ZEROS:
            made[field] = _value(value, form, where)
    return made


def _value(value: int | bytes, form: str, at: str) -> Any:
    match form:
        case "int":
            return value
        case "bool":
            return bool(value)
        case "str":
            return _bytes(value).decode()
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "IntOrString":
            either = _message(_bytes(value), form, at)
            return either.get("str", "") if either.get("type") else either.get("int", 0)
    return _message(_bytes(value), form, at)


def _empty(value: int | bytes) -> bool:
    """True for 0, "" and messages of nothing but such."""
    if isinstance(value, int):
        return value == 0
    try:
        return all(_empty(inner) for _, inner in _fields(value))
    except (ProtobufError, IndexError):
        return False
