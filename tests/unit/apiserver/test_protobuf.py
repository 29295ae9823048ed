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
    with pytest.raises(ProtobufError, match="field number 60 is not understood"):
        decode(body(b"Secret", b"\xe2\x03\x01x"))


@pytest.mark.parametrize("wrong", [b"", b"{}", MAGIC + b"\x0a\x7f", body(b"Job", b""), MAGIC + b"\x09"])
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


def test_what_go_has_a_pointer_for_is_kept_though_empty() -> None:
    """`from: [{namespaceSelector: {}}]` is everybody; without the empty selector it would be nobody."""
    peer = field(2, b"")
    rule = field(2, peer)
    made = decode(body(b"NetworkPolicy", field(2, field(1, b"") + field(2, rule) + field(4, b"Ingress"))))
    assert made["spec"] == {"ingress": [{"from": [{"namespaceSelector": {}}]}], "policyTypes": ["Ingress"]}


def test_quantities_times_negative_numbers_and_embedded_fields() -> None:
    limits = field(1, field(1, b"cpu") + field(2, field(1, b"100m")))
    probe = field(1, field(2, field(1, b"/ready") + field(2, field(2, 80))))
    container = field(1, b"c") + field(8, limits) + field(10, probe)
    minus = b"\x20" + b"\xff" * 9 + b"\x01"
    made = decode(body(b"Pod", field(2, field(2, container) + minus) + field(1, field(9, field(1, 60)))))
    (found,) = made["spec"]["containers"]
    assert found == {
        "name": "c",
        "resources": {"limits": {"cpu": "100m"}},
        "livenessProbe": {"httpGet": {"path": "/ready", "port": 80}},
    }
    assert made["spec"]["terminationGracePeriodSeconds"] == -1
    assert made["metadata"]["deletionTimestamp"] == "1970-01-01T00:01:00Z"


def test_events_of_their_own_group_have_fields_of_their_own() -> None:
    names = field(1, b"events.k8s.io/v1") + field(2, b"Event")
    made = decode(MAGIC + field(1, names) + field(2, field(2, field(1, 60) + field(2, 5)) + field(10, b"said")))
    assert (made["note"], made["eventTime"]) == ("said", "1970-01-01T00:01:00.000000Z")
