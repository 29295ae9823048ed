"""Loads protobuf modules on demand, and makes the bytes of nested Any values deterministic.

In: type URLs, JSON trees, messages. Importing all of xds-protos costs memory for nothing: only the packages of the
types that occur are imported.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

_WELL_KNOWN: Final = {
    "google.protobuf.Struct": "struct_pb2",
    "google.protobuf.Value": "struct_pb2",
    "google.protobuf.Duration": "duration_pb2",
    "google.protobuf.Empty": "empty_pb2",
}


@cache
def message_class(type_url: str) -> Any:
    """The message class behind a type URL; raises LookupError with the type's name."""
    from google.protobuf import symbol_database

    name = type_url.rpartition("/")[2]
    package = name.rpartition(".")[0]
    if package == "google.protobuf":
        importlib.import_module(f"google.protobuf.{_WELL_KNOWN.get(name, 'wrappers_pb2')}")
    else:
        try:
            folder = importlib.import_module(package)
        except ModuleNotFoundError:
            raise LookupError(f"no protobuf package {package} for {type_url}") from None
        for module in pkgutil.iter_modules(folder.__path__):
            if module.name.endswith("_pb2"):
                importlib.import_module(f"{package}.{module.name}")
    try:
        return symbol_database.Default().GetSymbol(name)
    except KeyError:
        raise LookupError(f"no protobuf message {name}") from None


def load_types(tree: object) -> None:
    """Import what the `@type`s in a JSON tree need; a type without Python classes raises LookupError."""
    for type_url in set(_types(tree)):
        message_class(type_url)


def _types(tree: object) -> Iterator[str]:
    if isinstance(tree, Mapping):
        if "@type" in tree:
            yield tree["@type"]
        for value in tree.values():
            yield from _types(value)
    elif isinstance(tree, Sequence) and not isinstance(tree, str | bytes):
        for value in tree:
            yield from _types(value)


def settle(message: Any) -> None:
    """Serialize each Any inside `message` again, with maps in order.

    Protobuf's JSON parser leaves the order of maps in an Any to the process's hash seed, and Envoy compares bytes: a
    restarted agent would replace, and so drain, listeners that did not change.
    """
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for entry in value.values():
                    _settle_one(entry)
        elif field.is_repeated:
            for entry in value:
                _settle_one(entry)
        else:
            _settle_one(value)


def _settle_one(message: Any) -> None:
    if message.DESCRIPTOR.full_name != "google.protobuf.Any":
        # Struct and the other well-known types hold no Any, and pose as Python containers.
        if message.DESCRIPTOR.file.package != "google.protobuf":
            settle(message)
        return
    if message.type_url:
        inner = message_class(message.type_url)()
        inner.ParseFromString(message.value)
        if inner.DESCRIPTOR.file.package != "google.protobuf":
            settle(inner)
        message.value = inner.SerializeToString(deterministic=True)
