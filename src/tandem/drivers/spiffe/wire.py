"""Messages of SPIFFE's Workload API (SPIFFE_Workload_API.md, section 5) -> values. Pure.

Protobuf's classes are made of a description of the few fields that are read.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from google.protobuf.message import DecodeError

from tandem.drivers.spiffe.port import Bundles

FETCH_BUNDLES: Final = "/SpiffeWorkloadAPI/FetchX509Bundles"
# SPIFFE_Workload_Endpoint.md, section 3: without it no request is answered.
METADATA: Final = (("workload.spiffe.io", "true"),)
_SCHEME: Final = "spiffe://"
_CONSTRUCTED_SEQUENCE: Final = 0x30


def decode_bundles(data: bytes) -> Bundles:
    """An X509BundlesResponse; raises ValueError with what is wrong with it, and then nothing of it counts."""
    try:
        message = _response().FromString(data)
    except DecodeError:
        raise ValueError("the answer is no X509BundlesResponse") from None
    if not message.bundles:  # section 4.5: it is mandatory, and a message without it is to be discarded
        raise ValueError("the answer has no bundles")
    if message.crl:
        raise ValueError("the answer has revocation lists, which are not supported")
    return {_domain(identity): _pem(identity, der) for identity, der in sorted(message.bundles.items())}


def _domain(identity: str) -> str:
    name = identity.removeprefix(_SCHEME)
    if name == identity or not name or "/" in name:
        raise ValueError(f"{identity!r} is no trust domain")
    return name


def _pem(identity: str, der: bytes) -> str:
    """Certificates one behind the other, in DER."""
    found = []
    rest = der
    while rest:
        length = _length(rest)
        try:
            found.append(x509.load_der_x509_certificate(rest[:length]))
        except ValueError:
            raise ValueError(f"the bundle of {identity} has something that is no certificate") from None
        rest = rest[length:]
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)


def _length(data: bytes) -> int:
    """Of the value that begins `data`, by its own header (X.690, section 8.1.3); 0 can be no certificate."""
    if len(data) < 2 or data[0] != _CONSTRUCTED_SEQUENCE:
        return len(data)
    first = data[1]
    if first < 0x80:
        return 2 + first
    size = first & 0x7F
    return 2 + size + int.from_bytes(data[2 : 2 + size], "big")


@cache
def _response() -> Any:
    """The class of `X509BundlesResponse {repeated bytes crl = 1; map<string, bytes> bundles = 2;}`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="tandem/workload.proto", syntax="proto3")
    response = file.message_type.add(name="X509BundlesResponse")
    response.field.add(name="crl", number=1, type=field.TYPE_BYTES, label=field.LABEL_REPEATED)
    entry = response.nested_type.add(name="BundlesEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(name="value", number=2, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    kind = ".X509BundlesResponse.BundlesEntry"
    response.field.add(name="bundles", number=2, type=field.TYPE_MESSAGE, type_name=kind, label=field.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("X509BundlesResponse"))
