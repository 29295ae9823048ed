"""Bodies of `kubectl create <kind>`; the contract test has the real ones."""

from __future__ import annotations

import pytest

from tandem.apiserver.protobuf import MAGIC, ProtobufError, decode


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def body(kind: bytes, raw: bytes) -> bytes:
    return MAGIC + field(1, field(1, b"v1") + field(2, kind)) + field(2, raw)


def test_names_labels_and_data_are_read() -> None:
    meta = field(1, b"a") + field(11, field(1, b"k") + field(2, b"v"))
    raw = field(1, meta) + field(2, field(1, b"x") + field(2, b"y")) + field(3, field(1, b"b") + field(2, b"hi"))
    assert decode(body(b"ConfigMap", raw)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "labels": {"k": "v"}},
        "data": {"x": "y"},
        "binaryData": {"b": "aGk="},
    }


def test_empty_fields_are_absent_and_others_must_be_known() -> None:
    empty = field(1, field(1, b"a") + field(2, b"") + field(7, 0) + field(8, field(1, 0)))
    assert decode(body(b"Namespace", empty))["metadata"] == {"name": "a"}
    with pytest.raises(ProtobufError, match="field number 5 is not understood"):
        decode(body(b"Namespace", field(1, field(5, b"uid"))))


@pytest.mark.parametrize("wrong", [b"", b"{}", MAGIC + b"\x0a\x7f", body(b"Pod", b""), MAGIC + b"\x09"])
def test_other_bodies_are_refused(wrong: bytes) -> None:
    with pytest.raises(ProtobufError):
        decode(wrong)


def test_target_ports_are_numbers_or_names() -> None:
    for value, wanted in ((field(1, 0) + field(2, 80), 80), (field(1, 1) + field(3, b"http"), "http")):
        port = field(3, 90) + field(4, value)
        made = decode(body(b"Service", field(2, field(1, port))))
        assert made["spec"]["ports"] == [{"port": 90, "targetPort": wanted}]


def test_no_grace_is_not_the_usual_grace() -> None:
    assert decode(body(b"DeleteOptions", field(1, 0) + field(5, b"All"))) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "dryRun": ["All"],
    }
