"""JSON trees -> protobuf Any, strictly: an unknown field or type is an error. For tests only."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import Any

import envoy
from google.protobuf import any_pb2, json_format, symbol_database


@cache
def load_all() -> None:
    """Import what the resources are made of, so that `@type` can be looked up."""
    importlib.import_module("xds.type.v3.typed_struct_pb2")
    wanted = ("envoy.config.", "envoy.extensions.", "envoy.type.")
    for module in pkgutil.walk_packages(envoy.__path__, "envoy.", onerror=lambda _: None):
        if module.name.endswith("_pb2") and module.name.startswith(wanted):
            importlib.import_module(module.name)


def message(type_url: str, body: Any) -> Any:
    """The message of that type; raises google.protobuf.json_format.ParseError."""
    load_all()
    cls = symbol_database.Default().GetSymbol(type_url.rsplit("/", 1)[1])
    return json_format.ParseDict(body, cls())


def pack(type_url: str, body: Any) -> any_pb2.Any:
    """The same, packed."""
    packed = any_pb2.Any()
    packed.Pack(message(type_url, body), deterministic=True)
    return packed
