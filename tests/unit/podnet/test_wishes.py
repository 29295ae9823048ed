"""What a runtime may ask of ADD, where it may say so, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.ipam.pool import Pool
from tandem.ir.node import PortMapping
from tandem.podnet.request import VerbError
from tandem.podnet.wishes import Wishes, aliases, wishes
from tandem.state.links import Shaping
from unit.podnet.playground import ARGS, CONFIG, request

PREFIX = "10.244.0.0/24"
POOL = Pool.of(PREFIX)


def asked(runtime: Any = None, cni: Any = None, args: str = ARGS) -> Wishes:
    more = ({} if runtime is None else {"runtimeConfig": runtime}) | ({} if cni is None else {"args": {"cni": cni}})
    return wishes(request("ADD", config=CONFIG | more, args=args), pool=POOL)


def refusal(runtime: Any) -> tuple[int, str]:
    with pytest.raises(VerbError) as raised:
        asked(runtime)
    return int(raised.value.code), raised.value.msg


def test_nothing_is_asked_by_default() -> None:
    assert asked() == Wishes()


@pytest.mark.parametrize(
    ("runtime", "cni", "args", "address"),
    [
        ({"ips": ["10.244.0.5/24"]}, {"ips": ["10.244.0.6"]}, f"{ARGS};IP=10.244.0.7", "10.244.0.5"),
        ({}, {"ips": ["10.244.0.6"]}, f"{ARGS};IP=10.244.0.7", "10.244.0.6"),
        (None, None, f"{ARGS};IP=10.244.0.7", "10.244.0.7"),
    ],
)
def test_the_runtimes_word_counts_before_arguments_of_the_configuration_and_of_the_environment(
    runtime: Any, cni: Any, args: str, address: str
) -> None:
    assert asked(runtime, cni, args).wanted.addresses == (address,)


def test_precedence_is_per_datum() -> None:
    found = asked({"mac": "02-00-00-00-00-01"}, {"ips": ["10.244.0.6"]}, f"{ARGS};MAC=02:00:00:00:00:02")
    assert (found.mac, found.wanted.addresses) == ("02:00:00:00:00:01", ("10.244.0.6",))


def test_port_mappings_are_read_as_runtimes_send_them() -> None:
    ports = [
        {"hostPort": 8080, "containerPort": 80, "protocol": "TCP", "hostIP": "0.0.0.0"},
        {"hostPort": 53, "containerPort": 5353, "protocol": "udp", "hostIP": "192.0.2.1"},
        {"hostPort": 0, "containerPort": 81},
    ]
    assert asked({"portMappings": ports}).port_mappings == (
        PortMapping(host_port=8080, container_port=80, host_ip="0.0.0.0"),
        PortMapping(host_port=53, container_port=5353, protocol="udp", host_ip="192.0.2.1"),
    )


def test_a_host_address_of_ipv6_is_taken_where_pods_have_one() -> None:
    ports = [
        {"hostPort": 80, "containerPort": 80, "hostIP": "::"},
        {"hostPort": 80, "containerPort": 81, "hostIP": "0.0.0.0"},
    ]
    more = {"runtimeConfig": {"portMappings": ports}}
    found = wishes(request("ADD", config=CONFIG | more, args=ARGS), pool=Pool.of(PREFIX, "fd00::/64"))
    assert [m.host_ip for m in found.port_mappings] == ["::", "0.0.0.0"]


def test_bandwidth_is_read_in_bits() -> None:
    found = asked({"bandwidth": {"ingressRate": 8000, "ingressBurst": 80000}}).shaping
    assert found == Shaping(ingress_rate=8000, ingress_burst=80000)


def test_dns_is_read() -> None:
    found = asked({"dns": {"servers": ["192.0.2.53"], "searches": ["a.example"], "options": ["ndots:2"]}}).dns
    assert (found.servers, found.searches, found.options) == (("192.0.2.53",), ("a.example",), ("ndots:2",))


def test_names_are_those_for_the_network_that_is_asked() -> None:
    found = asked({"aliases": {"tandem": ["DB", "db.", "a.b"], "other": ["not ours"]}})
    assert found.aliases == ("a.b", "db")
    assert aliases(request("ADD", config=CONFIG)) == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"tandem": ["a b"]}, "runtimeConfig.aliases.tandem: a DNS name, not 'a b'"),
        ({"tandem": ["x" * 64]}, "a DNS name"),
        ({"tandem": "db"}, "runtimeConfig.aliases.tandem: a list"),
        (["db"], "runtimeConfig.aliases: an object"),
    ],
)
def test_what_is_no_name_is_named(value: Any, words: str) -> None:
    code, text = refusal({"aliases": value})
    assert code == 7
    assert words in text


def test_a_network_whose_name_is_no_dns_name_gives_none() -> None:
    config = CONFIG | {"name": "my-", "runtimeConfig": {"aliases": {"my-": ["db"]}}}
    with pytest.raises(VerbError, match="'my-' cannot be part of a DNS name") as raised:
        aliases(request("ADD", config=config))
    assert raised.value.code == 2


def test_ranges_within_the_nodes_prefix_are_accepted() -> None:
    sets = [[{"subnet": PREFIX, "rangeStart": "10.244.0.10", "rangeEnd": "10.244.0.20"}, {"subnet": "10.244.0.64/26"}]]
    assert asked({"ipRanges": sets}).wanted.ranges == (
        (("10.244.0.10", "10.244.0.20"), ("10.244.0.64", "10.244.0.127")),
    )


def test_a_pod_may_ask_for_an_address_and_a_range_of_each_family() -> None:
    both = Pool.of(PREFIX, "fd00::/120")
    runtime = {"ips": ["10.244.0.5/24", "fd00::5"], "ipRanges": [[{"subnet": PREFIX}], [{"subnet": "fd00::/124"}]]}
    found = wishes(request("ADD", config=CONFIG | {"runtimeConfig": runtime}), pool=both).wanted
    assert found.addresses == ("10.244.0.5", "fd00::5")
    assert found.ranges == ((("10.244.0.0", "10.244.0.255"),), (("fd00::", "fd00::f"),))


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ({"deviceID": "0000:00:01.0"}, "runtimeConfig.deviceID"),
        ({"ips": ["10.244.0.5", "10.244.0.6"]}, "a pod has one IPv4 address"),
        ({"ipRanges": [[{"subnet": "10.9.0.0/16"}]]}, "'10.9.0.0/16' is not within 10.244.0.0/24"),
        ({"ipRanges": [[{"subnet": PREFIX}], [{"subnet": PREFIX}]]}, "one IPv4 address; ask for one"),
        (
            {"portMappings": [{"hostPort": 1, "containerPort": 1, "hostIP": "fd00::1"}]},
            "hostIP: 'fd00::1': pods of this node have no address of IPv6",
        ),
    ],
)
def test_what_cannot_be_had_is_code_2_with_key_and_value(runtime: Any, words: str) -> None:
    code, text = refusal(runtime)
    assert code == 2
    assert words in text


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ([], "runtimeConfig: an object"),
        ({"portMappings": {}}, "runtimeConfig.portMappings: a list"),
        ({"portMappings": [{"hostPort": 80}]}, "portMappings[0].containerPort: a number from 1 to 65535, not None"),
        ({"portMappings": [{"hostPort": 70000, "containerPort": 1}]}, "portMappings[0].hostPort"),
        ({"portMappings": [{"hostPort": 1, "containerPort": 1, "protocol": "icmp"}]}, "one of tcp, udp, sctp"),
        (
            {"portMappings": [{"hostPort": 1, "containerPort": 1}] * 2},
            "[1]: host port 1/tcp is there twice",
        ),
        ({"bandwidth": {"ingressRate": 1000}}, "ingressRate and ingressBurst go together"),
        ({"bandwidth": {"egressRate": 4, "egressBurst": 8}}, "egressRate: a number from 8"),
        ({"bandwidth": {"egressRate": "1M", "egressBurst": 8}}, "egressRate: a number"),
        ({"ips": ["pod"]}, "runtimeConfig.ips: an IP address"),
        ({"ips": ["10.244.0.5/x"]}, "with or without a prefix length"),
        ({"ips": ["10.244.0.5/99"]}, "with or without a prefix length"),
        ({"ips": [5]}, "runtimeConfig.ips[0]: a text, not 5"),
        ({"portMappings": [{"hostPort": 1, "containerPort": 1, "hostIP": 5}]}, "hostIP: an IP address, not 5"),
        ({"dns": {"searches": [5]}}, "runtimeConfig.dns.searches[0]: a text, not 5"),
        ({"aliases": {"tandem": [5]}}, "runtimeConfig.aliases.tandem[0]: a text, not 5"),
        ({"mac": "01:00:5e:00:00:01"}, "runtimeConfig.mac"),
        ({"mac": "02:00"}, "runtimeConfig.mac"),
        ({"dns": {"servers": ["dns.example"]}}, "runtimeConfig.dns.servers[0]"),
        ({"ipRanges": [[{"subnet": "10.244.0.1/24"}]]}, "ipRanges[0][0].subnet"),
        ({"ipRanges": [[{}]]}, "ipRanges[0][0].subnet"),
        (
            {"ipRanges": [[{"subnet": PREFIX, "rangeStart": "10.244.0.9", "rangeEnd": "10.244.0.8"}]]},
            "10.244.0.9 to 10.244.0.8 is no range",
        ),
    ],
)
def test_what_makes_no_sense_is_code_7_with_its_path(runtime: Any, words: str) -> None:
    code, text = refusal(runtime)
    assert code == 7
    assert words in text
