"""The configuration file, judged by Unbound's own checker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tandem.compile.dns import compile_records, compile_settings
from tandem.drivers.dns.config import NOWHERE, config_text
from tandem.drivers.dns.wildcards import zone_text
from tandem.state.dns import Answers, Record
from unit.compile.dns.dnsview import SHOP

SETTINGS = compile_settings(SHOP)
PATHS = Path("/x"), Path("/zone")


@pytest.mark.parametrize("upstreams", [(), ("192.0.2.53", "2001:db8::53")])
def test_unbound_accepts_it(tmp_path: Path, upstreams: tuple[str, ...]) -> None:
    file = tmp_path / "dns.conf"
    answers = Answers(records=compile_records(SHOP), upstreams=upstreams)
    wild = frozenset({Record("*.example.com.", "A", "192.0.2.9"), Record("*.example.com.", "AAAA", "2001:db8::9")})
    (tmp_path / "zone").write_text(zone_text(wild, "cluster.local."))
    file.write_text(config_text(SETTINGS, answers, tmp_path / "dns.sock", tmp_path / "zone"))
    done = subprocess.run(["/usr/sbin/unbound-checkconf", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_dns_address_and_loopback_are_served() -> None:
    lines = config_text(SETTINGS, Answers(), *PATHS).splitlines()
    assert [line.split()[1] for line in lines if line.startswith("  interface:")] == [
        "10.96.0.10@53",
        "127.116.0.53@53",
    ]
    assert {line.split(": ")[1] for line in lines if line.startswith("  access-control:")} == {
        "10.96.0.10/32 allow",
        "10.244.0.0/24 allow",
        "127.0.0.0/8 allow",
    }


def test_without_name_servers_foreign_names_lead_nowhere() -> None:
    assert f"forward-addr: {NOWHERE}" in config_text(SETTINGS, Answers(), *PATHS)


def test_an_alias_is_left_to_the_authority() -> None:
    text = config_text(SETTINGS, Answers(records=compile_records(SHOP)), *PATHS)
    front, authority = text.split("view:\n")
    assert "CNAME" not in front
    assert "out.shop.svc.cluster.local. 5 CNAME example.org." in authority
