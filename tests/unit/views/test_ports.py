"""The port of TO, in every form that may be written."""

from __future__ import annotations

import pytest

from tandem.views.ports import ExplainError, Port, choose, labelled, split_port

KNOWN = [
    Port(number=53, protocol="TCP", name="dns-tcp"),
    Port(number=53, protocol="UDP", name="dns"),
    Port(number=99, protocol="SCTP"),
]


@pytest.mark.parametrize(
    ("text", "protocol", "name", "port"),
    [
        ("web", "", "web", Port()),
        ("shop/svc/web:80", "", "shop/svc/web", Port(number=80)),
        ("shop/svc/web:53/udp", "", "shop/svc/web", Port(number=53, protocol="UDP")),
        ("web:53/UDP", "udp", "web", Port(number=53, protocol="UDP")),
        ("web:http", "", "web", Port(name="http")),
        ("web:dns/UDP", "", "web", Port(protocol="UDP", name="dns")),
        ("web", "icmp", "web", Port(protocol="ICMP")),
        ("fd00::9", "SCTP", "fd00::9", Port(protocol="SCTP")),
        ("[fd00::9]", "", "fd00::9", Port()),
        ("[fd00::9]:9/SCTP", "", "fd00::9", Port(number=9, protocol="SCTP")),
    ],
)
def test_a_port_is_a_number_or_a_name_with_or_without_its_protocol(
    text: str, protocol: str, name: str, port: Port
) -> None:
    assert split_port(text, protocol) == (name, port)


@pytest.mark.parametrize(
    ("text", "protocol", "message"),
    [
        ("web:80", "quic", "--protocol quic: TCP, UDP, SCTP or ICMP"),
        ("web:53/UDP", "TCP", "web:53/UDP: --protocol says TCP"),
        ("web:53/icmp", "", "the protocol is TCP, UDP or SCTP; for ICMP write --protocol ICMP and no port"),
        ("web:53", "ICMP", "web:53: ICMP has no ports"),
        ("web:0", "", "a number from 1 to 65535, or a name"),
        ("web:65536/UDP", "", "a number from 1 to 65535, or a name"),
        ("web:", "", "a port is 80, 53/UDP or a name such as http"),
        ("web:-a", "", "a port is 80, 53/UDP or a name such as http"),
        ("web:UPPER", "", "a port is 80, 53/UDP or a name such as http"),
        ("web:53/UDP/x", "", "a port is 80, 53/UDP or a name such as http"),
    ],
)
def test_what_is_no_port_is_told(text: str, protocol: str, message: str) -> None:
    with pytest.raises(ExplainError, match=message):
        split_port(text, protocol)


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        (Port(number=53), KNOWN[0]),
        (Port(number=53, protocol="UDP"), KNOWN[1]),
        (Port(number=99), KNOWN[2]),
        (Port(number=80), Port(number=80, protocol="TCP")),
        (Port(number=99, protocol="UDP"), Port(number=99, protocol="UDP")),
        (Port(name="dns"), KNOWN[1]),
        (Port(protocol="SCTP"), KNOWN[2]),
        (Port(protocol="ICMP"), Port(protocol="ICMP")),
    ],
)
def test_what_is_left_open_is_what_the_destination_has(wanted: Port, meant: Port) -> None:
    assert choose("web", wanted, KNOWN) == meant


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("web", Port(), r"web: which port\? Write web:PORT \(53, 53/UDP, 99/SCTP\)"),
        ("fd00::9", Port(), r"Write \[fd00::9\]:PORT"),
        ("web", Port(name="http"), r"web: there is no port named http; dns-tcp \(53\), dns \(53/UDP\)"),
        ("web", Port(name="dns", protocol="TCP"), "there is no port named dns"),
    ],
)
def test_what_could_be_several_ports_or_none_is_told(name: str, wanted: Port, message: str) -> None:
    with pytest.raises(ExplainError, match=message):
        choose(name, wanted, KNOWN)


def test_the_label_has_the_protocol_where_it_is_not_tcp() -> None:
    ports = (KNOWN[0], KNOWN[1], Port(protocol="ICMP"))
    assert [labelled("web", port) for port in ports] == ["web:53", "web:53/UDP", "web (ICMP)"]
