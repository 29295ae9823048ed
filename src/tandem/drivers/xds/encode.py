"""`state.xds` resources (JSON trees) -> Encoded protobuf, deterministic, each body encoded once.

The version is a digest of the body in canonical JSON: it means the same in every process and release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tandem.base.digest import digest
from tandem.base.problems import DriverError
from tandem.drivers.xds import anytype
from tandem.drivers.xds.assemble import Assembler
from tandem.drivers.xds.endpoints import encode_endpoints
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.newer import put_newer, without_newer
from tandem.state.assembled import Assembled
from tandem.state.xds import ENDPOINT, Resource, Snapshot

_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")


class EncodeError(DriverError):
    """A resource that protobuf does not take: unknown field, wrong type. The text names type, resource and field."""

    def __init__(self, message: str, *, type_url: str, name: str) -> None:
        super().__init__(message)
        self.type_url = type_url
        self.name = name


class Encoder:
    """Keeps what it encoded for as long as the resource stays in the snapshot."""

    def __init__(self) -> None:
        self._assembler = Assembler(encode_tree)
        self._cache: dict[str, dict[str, tuple[Mapping[str, Any], Encoded]]] = {}

    def encode(self, snapshot: Snapshot) -> dict[str, dict[str, Encoded]]:
        """Type URL -> name -> Encoded; what did not change is the very object of the time before."""
        cache: dict[str, dict[str, tuple[Mapping[str, Any], Encoded]]] = {}
        for url, resources in snapshot.resources.items():
            before, now = self._cache.get(url, {}), cache.setdefault(url, {})
            for name, resource in resources.items():
                known = before.get(name)
                if known is None or (known[0] is not resource.body and known[0] != resource.body):
                    known = (resource.body, self._encoded(url, resource, known[0] if known is not None else None))
                elif isinstance(known[0], Assembled):
                    self._assembler.keep(url, known[0])
                now[name] = known
        self._cache = cache
        self._assembler.turn()
        return {url: {name: encoded for name, (_, encoded) in known.items()} for url, known in cache.items()}

    def _encoded(self, url: str, resource: Resource, before: Mapping[str, Any] | None) -> Encoded:
        if not isinstance(resource.body, Assembled):
            return encode_resource(url, resource)
        try:
            was = before if isinstance(before, Assembled) else None
            return self._assembler.encode(url, resource.name, resource.body, was)
        except EncodeError as error:
            text = f"{url.rpartition('.')[2]} {resource.name}: {error}"
            raise EncodeError(text, type_url=url, name=resource.name) from error


def encode_resource(type_url: str, resource: Resource) -> Encoded:
    """One resource; raises EncodeError."""
    version = digest(_CANONICAL.encode(dict(resource.body)), 16)
    value = encode_endpoints(resource.body) if type_url == ENDPOINT else None
    if value is None:
        value = encode_tree(type_url, resource.body, resource.name)
    return Encoded(resource.name, version, value)


def encode_tree(type_url: str, tree: Mapping[str, Any], name: str = "") -> bytes:
    """Any JSON tree in protobuf's mapping as bytes of its type; raises EncodeError."""
    from google.protobuf import json_format

    try:
        anytype.load_types(tree)
        message = anytype.message_class(type_url)()
        body, held = without_newer(tree)
        json_format.ParseDict(body, message)
        put_newer(message, held)
        anytype.settle(message)
    except (json_format.ParseError, LookupError) as error:
        text = f"{type_url.rpartition('.')[2]} {name}: {error}"
        raise EncodeError(text, type_url=type_url, name=name) from error
    return bytes(message.SerializeToString(deterministic=True))
