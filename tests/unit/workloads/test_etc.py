"""A pod's own files of /etc."""

from __future__ import annotations

from pathlib import Path

import pytest

import builders
from tandem.workloads import etc
from tandem.workloads.etc import pod_files, pod_hostname

DNS = ("10.96.0.10",)


@pytest.fixture(autouse=True)
def bare_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that tests run on searches no domain."""
    monkeypatch.setattr(etc, "_HOST", tmp_path / "none")


def test_a_pod_is_named_after_itself_and_finds_its_own_address() -> None:
    files = pod_files(builders.pod("web-0", namespace="shop"), ("10.244.0.5",), node_name="node-1", dns=DNS)
    assert files["/etc/hostname"] == b"web-0\n"
    assert b"10.244.0.5\tweb-0\n" in files["/etc/hosts"]


def test_names_are_searched_in_the_pods_namespace_first() -> None:
    files = pod_files(builders.pod("web-0", namespace="shop"), (), node_name="node-1", dns=DNS)
    assert files["/etc/resolv.conf"] == (
        b"search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n"
    )


def test_the_domains_of_the_machine_are_searched_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "host"
    host.write_text("search lan example\nnameserver 192.0.2.1\noptions timeout:1\n")
    monkeypatch.setattr(etc, "_HOST", host)
    files = pod_files(builders.pod("web-0", namespace="shop"), (), node_name="node-1", dns=DNS)
    assert files["/etc/resolv.conf"].decode().splitlines() == [
        "search shop.svc.cluster.local svc.cluster.local cluster.local lan example",
        "nameserver 10.96.0.10",
        "options ndots:5",
    ]


def test_hostname_and_subdomain_make_a_full_name() -> None:
    pod = builders.pod("web-0", namespace="shop", spec={"hostname": "a", "subdomain": "web"})
    files = pod_files(pod, ("10.244.0.5",), node_name="node-1", dns=DNS)
    assert b"10.244.0.5\ta.web.shop.svc.cluster.local\ta\n" in files["/etc/hosts"]


def test_a_pod_on_the_hosts_network_has_its_nodes_name() -> None:
    assert pod_hostname(builders.pod("web-0", host_network=True), "node-1") == "node-1"


def test_dns_policy_none_leaves_resolving_to_the_pod() -> None:
    pod = builders.pod("web-0", spec={"dnsPolicy": "None"})
    assert pod_files(pod, (), node_name="node-1", dns=DNS)["/etc/resolv.conf"] == b""


def test_host_aliases_come_after_the_pods_own_name() -> None:
    spec = {"hostAliases": [{"ip": "192.0.2.7", "hostnames": ["old", "old.example"]}]}
    hosts = pod_files(builders.pod("web", spec=spec), ["10.244.0.5"], node_name="n", dns=DNS)["/etc/hosts"].decode()
    assert hosts.splitlines()[-2:] == ["10.244.0.5\tweb", "192.0.2.7\told old.example"]


def test_dns_config_is_added_and_its_options_replace_those_of_the_policy() -> None:
    options = [{"name": "ndots", "value": "2"}, {"name": "edns0"}]
    spec = {"dnsConfig": {"nameservers": ["192.0.2.53", "10.96.0.10"], "searches": ["example"], "options": options}}
    text = pod_files(builders.pod("web", namespace="shop", spec=spec), ["10.244.0.5"], node_name="n", dns=DNS)[
        "/etc/resolv.conf"
    ]
    assert text.decode().splitlines() == [
        "search shop.svc.cluster.local svc.cluster.local cluster.local example",
        "nameserver 10.96.0.10",
        "nameserver 192.0.2.53",
        "options ndots:2 edns0",
    ]


def test_the_hosts_resolv_conf_is_read_and_added_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = tmp_path / "resolv.conf"
    host.write_text("# x\ndomain old\nsearch lan\nnameserver 192.0.2.1\noptions timeout:1\n")
    monkeypatch.setattr(etc, "_HOST", host)
    spec = {"dnsPolicy": "Default", "dnsConfig": {"searches": ["example"]}}
    text = pod_files(builders.pod("web", spec=spec), ["10.244.0.5"], node_name="n", dns=DNS)[
        "/etc/resolv.conf"
    ].decode()
    assert text == "search lan example\nnameserver 192.0.2.1\noptions timeout:1\n"
    host.unlink()
    assert (
        pod_files(builders.pod("web", spec={"dnsPolicy": "Default"}), [], node_name="n", dns=DNS)["/etc/resolv.conf"]
        == b""
    )


def test_a_pod_of_both_families_has_both_addresses_and_both_name_servers() -> None:
    files = pod_files(
        builders.pod("web", namespace="shop"), ("10.244.0.5", "fd00::5"), node_name="n", dns=("10.96.0.10", "fd00::a")
    )
    assert files["/etc/hosts"].decode().splitlines()[-2:] == ["10.244.0.5\tweb", "fd00::5\tweb"]
    assert files["/etc/resolv.conf"].decode().splitlines()[1:3] == ["nameserver 10.96.0.10", "nameserver fd00::a"]
