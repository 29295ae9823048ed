"""What should happen, what was seen, and the table of both."""

from __future__ import annotations

import msgspec
import pytest

from builders import cluster_policy, namespace, pod, policy, world
from tandem.reference.ends import DNS
from tandem.views.matrix import Cell, End, Question, Word, cell_of, ends_of, matrix_of, ports_of, questions, tables

WEB = pod("web", ip=("10.244.0.2", "fd00::2"), app="web", ports={"http": 8080})
CLIENT = pod("client", ip=("10.244.0.3", "fd00::3"), app="client")
OUTSIDE = End(name="outside", addresses=("198.51.100.2",))
NODE = End(name="node/node-1", addresses=("192.168.0.1",))
ONLY_CLIENT = policy(
    "only-client",
    source="p.yaml:3",
    podSelector={"matchLabels": {"app": "web"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": 81}]}],
)


def asked(*objects: object, ports: tuple[tuple[str, int], ...] = (("TCP", 81),)) -> tuple[Question, ...]:
    found = world(WEB, CLIENT, *objects)  # type: ignore[arg-type]
    return questions(found, (*ends_of(found), OUTSIDE, NODE), ports, dns_addresses=DNS)


def test_ends_are_pods_that_run_and_have_a_network_of_their_own() -> None:
    found = world(WEB, pod("done", phase="Succeeded"), pod("host", host_network=True), pod("new", ip=()))
    assert [p.name for p in ends_of(found)] == ["default/web"]


def test_ports_are_those_that_pods_declare_and_policies_name_and_port_80() -> None:
    clause = {
        "action": "Deny",
        "from": [{"namespaces": {}}],
        "protocols": [{"sctp": {"destinationPort": {"number": 9}}}],
    }
    assert ports_of(world(WEB, ONLY_CLIENT, cluster_policy(ingress=[clause]))) == (
        ("TCP", 80),
        ("TCP", 81),
        ("TCP", 8080),
        ("UDP", 80),
        ("SCTP", 9),
        ("SCTP", 80),
    )


def test_everybody_is_asked_about_every_other_in_each_family_that_both_have() -> None:
    found = [(q.source, q.destination, q.address) for q in asked()]
    assert ("default/client", "default/web", "fd00::2") in found
    assert ("outside", "default/web", "10.244.0.2") in found
    assert ("outside", "default/web", "fd00::2") not in found
    assert not [q for q in found if q[0] == q[1] or {q[0], q[1]} == {"outside", "node/node-1"}]


def test_expectations_are_those_of_the_reference_with_what_denies() -> None:
    by = {(q.source, q.destination, q.address): q for q in asked(ONLY_CLIENT)}
    assert by["default/client", "default/web", "10.244.0.2"].expected is Word.ALLOWED
    denied = by["outside", "default/web", "10.244.0.2"]
    assert (denied.expected, [str(o) for o in denied.by]) == (
        Word.DENIED,
        ["NetworkPolicy default/only-client spec.ingress (p.yaml:3)"],
    )


def test_a_denial_that_is_to_be_answered_is_expected_as_a_refusal() -> None:
    rule = {"action": "Deny", "from": [{"namespaces": {}}]}
    found = asked(cluster_policy(notes={"tandem.io/deny": "reject"}, ingress=[rule]))
    assert {q.expected for q in found if q.source == "default/client" and q.destination == "default/web"} == {
        Word.REFUSED
    }


def test_the_mesh_refuses_plain_text_where_it_must() -> None:
    from builders import from_yaml

    strict = from_yaml(
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: s}, "
        "spec: {mtls: {mode: STRICT}}}"
    )
    meshed = namespace("default", **{"istio-injection": "enabled"})
    found = [q for q in asked(meshed, *strict, ports=(("TCP", 81), ("UDP", 81))) if q.source == "outside"]
    assert {(q.protocol, q.expected, q.proxied) for q in found} == {
        ("TCP", Word.DENIED, True),
        ("UDP", Word.ALLOWED, False),
    }


def question(expected: Word, *, proxied: bool = False) -> Question:
    return Question(
        source="default/client",
        destination="default/web",
        address="10.244.0.2",
        protocol="TCP",
        port=80,
        expected=expected,
        proxied=proxied,
    )


@pytest.mark.parametrize(
    ("expected", "observed", "proxied", "equal"),
    [
        (Word.ALLOWED, Word.ALLOWED, False, True),
        (Word.ALLOWED, Word.DENIED, False, False),
        (Word.ALLOWED, Word.REFUSED, True, False),
        (Word.DENIED, Word.DENIED, False, True),
        (Word.DENIED, Word.REFUSED, False, False),
        (Word.DENIED, Word.REFUSED, True, True),
        (Word.DENIED, Word.ALLOWED, True, False),
        (Word.REFUSED, Word.REFUSED, False, True),
        (Word.REFUSED, Word.DENIED, False, False),
        (Word.DENIED, Word.UNKNOWN, False, True),
    ],
)
def test_a_refusal_is_no_silence(expected: Word, observed: Word, *, proxied: bool, equal: bool) -> None:
    assert cell_of(question(expected, proxied=proxied), observed).equal is equal


def test_the_table_has_rows_of_sources_and_marks_differences() -> None:
    found = world(WEB, CLIENT, ONLY_CLIENT)
    ends = (*ends_of(found), OUTSIDE)
    every = questions(found, ends, (("TCP", 81), ("TCP", 82)), dns_addresses=DNS)
    cells: list[Cell] = []
    for each in every:
        wrong = each.port == 82 and each.source == "outside" and each.destination == "default/web"
        cells.append(cell_of(each, Word.ALLOWED if wrong else each.expected, detail="why" if wrong else ""))
    v4 = [c for c in cells if ":" not in c.address]
    matrix = matrix_of(ends, v4, left_out={})
    assert (matrix.equal, matrix.differences, matrix.asked) == (False, 1, 12)
    assert list(tables(matrix)) == [
        "TCP 81",
        "                  1  2  3",
        "1 default/client  -  .  .",
        "2 default/web     .  -  .",
        "3 outside         .  X  -",
        "",
        "TCP 82",
        "                  1  2  3",
        "1 default/client  -  X  .",
        "2 default/web     .  -  .",
        "3 outside         .  .! -",
        "",
        (
            "outside to default/web (10.244.0.2:82/TCP): should be denied by NetworkPolicy default/only-client"
            " spec.ingress (p.yaml:3), is allowed (why)"
        ),
    ]


def test_ports_that_look_alike_share_a_table_and_families_are_told_apart() -> None:
    every = asked(ports=(("TCP", 80), ("UDP", 80)))
    lines = list(
        tables(matrix_of((*ends_of(world(WEB, CLIENT)),), (cell_of(q, q.expected) for q in every), left_out={}))
    )
    assert lines[0] == "TCP 80 IPv4, TCP 80 IPv6, UDP 80 IPv4, UDP 80 IPv6"


def test_a_matrix_goes_through_json_and_back() -> None:
    from tandem.views.matrix import Matrix

    matrix = matrix_of(
        ends_of(world(WEB)), [cell_of(question(Word.DENIED), Word.UNKNOWN)], left_out={"a/b": "gone"}, seconds=1.234
    )
    assert (matrix.equal, matrix.unknown, matrix.seconds) == (True, 1, 1.23)
    assert msgspec.json.decode(msgspec.json.encode(matrix), type=Matrix) == matrix


def test_many_differences_are_counted() -> None:
    ports = tuple(("TCP", n) for n in range(1, 60))
    cells = [cell_of(q, Word.DENIED) for q in asked(ports=ports) if q.source == "outside" and "web" in q.destination]
    lines = list(tables(matrix_of((*ends_of(world(WEB, CLIENT)), OUTSIDE), cells, left_out={})))
    assert lines[-1] == "and 19 more (-o json has them)"
