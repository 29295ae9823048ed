"""Names of Services as the Kubernetes DNS specification has them; every answer is read back by dnspython."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from tandem.podnet.dns import Alias, Zone
from unit.podnet.dnsview import SHOP, endpoint, query, records, service, view


def ask(name: str, kind: str = "A", *, zone: Zone | None = None) -> dns.message.Message:
    asked = query(name, kind)
    answer = (zone or Zone(SHOP)).answer(asked.to_wire())
    assert isinstance(answer, bytes)
    message = dns.message.from_wire(answer)
    assert asked.is_response(message)
    return message


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.shop.svc.cluster.local", "A", ["A 10.96.1.1"]),
        ("WEB.Shop.svc.CLUSTER.local", "A", ["A 10.96.1.1"]),
        ("db.shop.svc.cluster.local", "A", ["A 10.244.0.3", "A 10.244.0.12"]),
        ("db-0.db.shop.svc.cluster.local", "A", ["A 10.244.0.3"]),
        ("10-244-0-12.db.shop.svc.cluster.local", "A", ["A 10.244.0.12"]),
        ("_http._tcp.web.shop.svc.cluster.local", "SRV", ["SRV 0 100 80 web.shop.svc.cluster.local."]),
        ("_dns._udp.names.shop.svc.cluster.local", "SRV", ["SRV 0 100 53 names.shop.svc.cluster.local."]),
        ("1.1.96.10.in-addr.arpa", "PTR", ["PTR web.shop.svc.cluster.local."]),
        ("3.0.244.10.in-addr.arpa", "PTR", ["PTR db-0.db.shop.svc.cluster.local."]),
        ("out.shop.svc.cluster.local", "CNAME", ["CNAME example.org."]),
        ("inner.shop.svc.cluster.local", "A", ["CNAME web.shop.svc.cluster.local.", "A 10.96.1.1"]),
        ("dns-version.cluster.local", "TXT", ['TXT "1.1.0"']),
    ],
)
def test_a_name_that_exists_is_answered(name: str, kind: str, expected: list[str]) -> None:
    message = ask(name, kind)
    assert message.rcode() == dns.rcode.NOERROR
    assert message.flags & dns.flags.AA
    assert message.flags & dns.flags.RA
    assert records(message) == expected
    assert {rrset.ttl for rrset in message.answer} == {5}


def test_srv_of_a_headless_service_names_each_endpoint_and_adds_its_address() -> None:
    message = ask("_http._tcp.db.shop.svc.cluster.local", "SRV")
    assert sorted(records(message)) == [
        "SRV 0 50 5432 10-244-0-12.db.shop.svc.cluster.local.",
        "SRV 0 50 5432 db-0.db.shop.svc.cluster.local.",
    ]
    assert sorted(str(r[0]) for r in message.additional) == ["10.244.0.12", "10.244.0.3"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("web.shop.svc.cluster.local", "AAAA"),
        ("web.shop.svc.cluster.local", "MX"),
        ("db-0.db.shop.svc.cluster.local", "AAAA"),
        ("empty.shop.svc.cluster.local", "A"),
        ("_http._tcp.web.shop.svc.cluster.local", "A"),
        ("_tcp.web.shop.svc.cluster.local", "A"),
        ("shop.svc.cluster.local", "A"),
        ("svc.cluster.local", "A"),
        ("cluster.local", "A"),
        ("1.1.96.10.in-addr.arpa", "A"),
        ("inner.shop.svc.cluster.local", "CNAME"),
    ],
)
def test_a_name_that_exists_without_such_a_record_is_no_error(name: str, kind: str) -> None:
    message = ask(name, kind)
    assert message.rcode() == dns.rcode.NOERROR
    if kind != "CNAME":
        assert message.answer == []
        assert str(message.authority[0].name) == "cluster.local."


@pytest.mark.parametrize(
    "name",
    [
        "nope.shop.svc.cluster.local",
        "web.nope.svc.cluster.local",
        "nope.svc.cluster.local",
        "x.web.shop.svc.cluster.local",
        "x.out.shop.svc.cluster.local",
        "nope.db.shop.svc.cluster.local",
        "_nope._tcp.web.shop.svc.cluster.local",
        "_http._udp.web.shop.svc.cluster.local",
        "_udp.web.shop.svc.cluster.local",
        "example.org.cluster.local",
        "9.9.96.10.in-addr.arpa",
    ],
)
def test_a_name_of_ours_that_does_not_exist_says_so_with_a_soa(name: str) -> None:
    message = ask(name)
    assert message.rcode() == dns.rcode.NXDOMAIN
    assert message.authority[0][0].minimum == 5


@pytest.mark.parametrize(
    "name", ["example.org", "cluster.local.example.org", "notcluster.local", "1.2.0.192.in-addr.arpa", "x.in-addr.arpa"]
)
def test_a_name_that_is_not_ours_is_forwarded(name: str) -> None:
    assert Zone(SHOP).answer(query(name).to_wire()) is None


def test_an_external_name_leaves_the_target_to_be_resolved() -> None:
    answer = Zone(SHOP).answer(query("out.shop.svc.cluster.local").to_wire())
    assert isinstance(answer, Alias)
    assert answer.target == "example.org"


def test_a_cached_answer_has_the_new_query_s_id_and_spelling() -> None:
    zone = Zone(SHOP)
    first, second = query("web.shop.svc.cluster.local"), query("Web.SHOP.svc.cluster.local")
    for asked in (first, second):
        answer = zone.answer(asked.to_wire())
        assert isinstance(answer, bytes)
        message = dns.message.from_wire(answer)
        assert message.id == asked.id
        assert str(message.question[0].name) == str(asked.question[0].name)


def test_an_answer_too_large_for_udp_is_truncated_and_whole_by_tcp() -> None:
    many = tuple(endpoint(f"10.244.1.{n}", http=80) for n in range(1, 100))
    zone = Zone(view(service("big"), big=many))
    data = query("big.shop.svc.cluster.local").to_wire()
    udp, tcp = zone.answer(data), zone.answer(data, udp=False)
    assert isinstance(udp, bytes)
    assert isinstance(tcp, bytes)
    assert len(udp) <= 512
    assert dns.message.from_wire(udp).flags & dns.flags.TC
    assert len(records(dns.message.from_wire(tcp))) == 99


def test_edns_raises_the_size_and_is_answered_with_edns() -> None:
    many = tuple(endpoint(f"10.244.1.{n}", http=80) for n in range(1, 61))
    answer = Zone(view(service("big"), big=many)).answer(query("big.shop.svc.cluster.local", edns=4096).to_wire())
    assert isinstance(answer, bytes)
    message = dns.message.from_wire(answer)
    assert message.edns == 0
    assert len(records(message)) == 60


def test_another_opcode_is_not_implemented() -> None:
    asked = query("web.shop.svc.cluster.local")
    asked.set_opcode(dns.opcode.STATUS)
    answer = Zone(SHOP).answer(asked.to_wire())
    assert isinstance(answer, bytes)
    assert dns.message.from_wire(answer).rcode() == dns.rcode.NOTIMP


def test_an_external_name_that_is_no_name_fails_and_breaks_nothing() -> None:
    zone = Zone(view(service("bad", external="a..b"), service("web", "10.96.1.1")))
    assert ask("bad.shop.svc.cluster.local", zone=zone).rcode() == dns.rcode.SERVFAIL
    assert records(ask("web.shop.svc.cluster.local", zone=zone)) == ["A 10.96.1.1"]


def test_a_service_without_ready_endpoints_still_has_its_address() -> None:
    message = ask("web.shop.svc.cluster.local", zone=Zone(view(service("web", "10.96.1.1"))))
    assert records(message) == ["A 10.96.1.1"]
