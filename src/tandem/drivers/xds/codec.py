"""Protobuf bytes of delta discovery <-> the values of `messages.py`. Pure.

Only `discovery_pb2` is imported, and only when the first message is made: control needs no other Envoy type.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from tandem.drivers.xds.messages import Encoded, Request, Response
from tandem.state.xds import GENERATION

_INVALID_ARGUMENT: Final = 3

ADS_SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
ADS_METHOD: Final = "DeltaAggregatedResources"


@cache
def _pb() -> Any:
    from envoy.service.discovery.v3 import discovery_pb2

    return discovery_pb2


def encode_request(request: Request) -> bytes:
    """The client's message."""
    pb = _pb().DeltaDiscoveryRequest(
        type_url=request.type_url,
        resource_names_subscribe=request.subscribe,
        resource_names_unsubscribe=request.unsubscribe,
        initial_resource_versions=dict(request.initial_versions),
        response_nonce=request.nonce,
    )
    pb.node.id = request.node
    if request.generation:
        pb.node.metadata[GENERATION] = request.generation
    if request.error is not None:
        pb.error_detail.code = _INVALID_ARGUMENT
        pb.error_detail.message = request.error
    return bytes(pb.SerializeToString())


def decode_request(data: bytes) -> Request:
    """The client's message as a value; raises protobuf's DecodeError on bytes that are none."""
    pb = _pb().DeltaDiscoveryRequest.FromString(data)
    error: str | None = None
    if pb.HasField("error_detail"):
        error = pb.error_detail.message or f"status code {pb.error_detail.code}"
    return Request(
        type_url=pb.type_url,
        subscribe=tuple(pb.resource_names_subscribe),
        unsubscribe=tuple(pb.resource_names_unsubscribe),
        initial_versions=dict(pb.initial_resource_versions),
        nonce=pb.response_nonce,
        error=error,
        node=pb.node.id,
        generation=int(pb.node.metadata.fields[GENERATION].number_value) if pb.node.HasField("metadata") else 0,
    )


def encode_response(response: Response) -> bytes:
    """The server's message."""
    pb = _pb().DeltaDiscoveryResponse(
        type_url=response.type_url,
        nonce=response.nonce,
        system_version_info=response.nonce,
        removed_resources=response.removed,
    )
    for resource in response.resources:
        entry = pb.resources.add(name=resource.name, version=resource.version)
        entry.resource.type_url = response.type_url
        entry.resource.value = resource.value
    return bytes(pb.SerializeToString())


def decode_response(data: bytes) -> Response:
    """The server's message as a value; raises protobuf's DecodeError on bytes that are none."""
    pb = _pb().DeltaDiscoveryResponse.FromString(data)
    return Response(
        type_url=pb.type_url,
        nonce=pb.nonce,
        resources=tuple(Encoded(r.name, r.version, r.resource.value) for r in pb.resources),
        removed=tuple(pb.removed_resources),
    )
