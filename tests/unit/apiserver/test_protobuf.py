"""Bodies of `kubectl create <kind>`; the contract test has the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tandem.apiserver import protobuf
from tandem.apiserver.protobuf import MAGIC, ProtobufError, decode
from tandem.model import schema


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
    assert made["spec"]["ingress"] == [{"from": [{"namespaceSelector": {}}]}]


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


# As client-go 0.35 encodes a Pod and a NetworkPolicy.
POLICY = (
    "6b3873000a250a146e6574776f726b696e672e6b38732e696f2f7631120d4e6574776f726b506f6c696379127c0a130a026e7012001a01782200"
    "2a0032003800420012650a001200124e0a0f0a035544501206080010501a00185a0a0b1209080110001a0377656212110a00120d120b0a026e73"
    "1202496e1a0179121b1a190a0a31302e302e302e302f38120b31302e312e302e302f31362207496e677265737322064567726573731a002200"
)
POD = (
    "6b3873000a090a0276311203506f6412f0010a230a016112001a0022002a003200380042080880e2cfaa0610005a080a03706f6412016112b301"
    "0a090a0176120412020a001284010a01631204686f73741a082f61676e686f73741a06706f727465722a0032110a037765621000185022045343"
    "54502a003a190a1253455256455f534354505f504f52545f38301203666f6f42005a180a0c1a0a0a06080010501a001200100018002001280030"
    "006a0072007a0b20ffffffffffffffffff01800100880100900100a201001a002000320042004a0052005800600068008201008a01009a0100a8"
    "0100c201001a130a001a0022002a0032004a005a0072008801001a002200"
)


def test_a_policy_of_a_typed_client_keeps_empty_rules_and_empty_selectors() -> None:
    made = decode(bytes.fromhex(POLICY))
    everywhere = {"key": "ns", "operator": "In", "values": ["y"]}
    assert made["spec"] | {"podSelector": {}} == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {},
            {
                "from": [
                    {"podSelector": {}, "namespaceSelector": {"matchExpressions": [everywhere]}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                ],
                "ports": [{"protocol": "UDP", "port": 80, "endPort": 90}, {"port": "web"}],
            },
        ],
    }


def test_a_pod_of_a_typed_client_is_what_it_says() -> None:
    made = decode(bytes.fromhex(POD))
    assert made["metadata"] == {"name": "a", "labels": {"pod": "a"}, "creationTimestamp": "2023-11-14T22:13:20Z"}
    (container,) = made["spec"]["containers"]
    assert made["spec"]["terminationGracePeriodSeconds"] == 0
    assert made["spec"]["automountServiceAccountToken"] is False
    assert made["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert container["securityContext"] == {"runAsUser": -1}
    assert container["readinessProbe"] == {"tcpSocket": {"port": 80}, "periodSeconds": 1}
    assert container["ports"] == [{"containerPort": 80, "name": "web", "protocol": "SCTP"}]


def test_what_is_not_optional_is_there_though_empty() -> None:
    """A client that writes a pod with its status back would else be told that fields are missing."""
    container = field(1, b"c") + field(4, 0) + field(5, 0) + field(6, b"host") + field(7, b"") + field(8, b"")
    made = decode(body(b"Pod", field(3, field(8, container))))
    (status,) = made["status"]["containerStatuses"]
    assert status == {"name": "c", "ready": False, "restartCount": 0, "image": "host", "imageID": ""}


NOT_IN_PROTOBUF = {("NetworkPolicy", "status"), ("NodeSystemInfo", "runningInUserNamespace")}
"""One was taken out of the API; of the other our copy of the numbers does not know."""


def test_every_field_of_a_kind_that_the_schema_has_can_come_in_protobuf() -> None:
    table = protobuf._messages()
    named = {"GroupEvent": "events.Event", "GroupEventSeries": "events.EventSeries"}
    wanted = json.loads((Path(schema.__file__).parent / "schemas/kubernetes.json").read_text())

    def names(message: str) -> set[str]:
        own = table[message].values()
        return {f for f, _ in own if f != "-"} | {n for f, form in own if f == "-" for n in names(form)}

    missing = {
        (kind, field)
        for kind, fields in wanted.items()
        if kind != "NetworkPolicyStatus"
        for field in fields.keys() - {"apiVersion", "kind"} - names(named.get(kind, kind))
    }
    assert missing == NOT_IN_PROTOBUF


def test_every_form_has_a_reader_or_is_a_message() -> None:
    table = protobuf._messages()
    forms = {form.strip("[]{}?!") for fields in table.values() for _, form in fields.values()}
    assert forms <= protobuf.SCALARS.keys() | table.keys()
