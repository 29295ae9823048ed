"""Settings and answers -> Unbound's configuration file. Pure.

The answers are in the file, so that a server that starts knows every name before it answers the first question.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tandem.drivers.dns.plan import desired
from tandem.drivers.dns.wildcards import TAG, ZONE
from tandem.state.dns import INSIDE, TTL, Answers, DnsSettings

AUTHORITY: Final = "authority"
"""The view that knows all names of the cluster, and nothing of other hosts; Unbound asks itself for them at INSIDE."""
NOWHERE: Final = "127.116.0.1"
"""In place of name servers where the machine has none: nothing answers there, so that foreign names fail."""
_OWN_ZONES: Final = (
    "localhost.",
    "127.in-addr.arpa.",
    f"1.{'0.' * 31}ip6.arpa.",
    "test.",
    "invalid.",
    "onion.",
    "home.arpa.",
)
"""Zones that Unbound would answer by itself, in each view; the machine's name servers are to be asked."""
_OTHERS_ANSWER: Final = tuple(f'local-zone: "{zone}" nodefault' for zone in _OWN_ZONES)


def config_text(settings: DnsSettings, answers: Answers, control: Path, wildcards: Path) -> str:
    """The whole file; `wildcards`: where the file of that zone lies."""
    zones = (settings.domain, *settings.reverse)
    origins = [f"{zone} {TTL} SOA {_soa(settings.domain)}" for zone in zones]
    held = desired(answers)
    server = [
        *_SERVER,
        *(f"interface: {address}@53" for address in settings.addresses),
        f"interface: {INSIDE}@53",
        *(f"access-control: {prefix} allow" for prefix in settings.clients),
        f'define-tag: "{TAG}"',
        *(f'access-control-tag: {prefix} "{TAG}"' for prefix in settings.clients),
        "access-control: 127.0.0.0/8 allow",
        f"access-control-view: 127.0.0.0/8 {AUTHORITY}",
        *_OTHERS_ANSWER,
        'local-zone: "in-addr.arpa." transparent',
        'local-zone: "ip6.arpa." transparent',
        *(f'local-zone: "{zone}" transparent' for zone in zones),
        # With it an answer that there is no record of the type may be cached (RFC 2308, section 5).
        *(f"local-data: '{soa}'" for soa in origins),
        *(f"local-data: '{record}'" for record in sorted(held.front)),
    ]
    view = [
        f'name: "{AUTHORITY}"',
        *_OTHERS_ANSWER,
        *(f'local-zone: "{zone}" static' for zone in zones),
        *(f"local-data: '{soa}'" for soa in origins),
        *(f"local-data: '{record}'" for record in sorted(held.authority)),
    ]
    stubs = [("stub-zone", (f'name: "{zone}"', f"stub-addr: {INSIDE}@53")) for zone in zones]
    upstreams = (f"forward-addr: {address}" for address in answers.upstreams or (NOWHERE,))
    remote = ("control-enable: yes", f'control-interface: "{control}"', "control-use-cert: no")
    sections: list[tuple[str, Iterable[str]]] = [
        ("server", server),
        ("rpz", (f"name: {ZONE}", f'zonefile: "{wildcards}"', f'tags: "{TAG}"')),
        ("view", view),
        ("remote-control", remote),
        *stubs,
        ("forward-zone", ('name: "."', *upstreams)),
    ]
    return "".join(f"{title}:\n" + "".join(f"  {line}\n" for line in lines) for title, lines in sections)


def _soa(domain: str) -> str:
    return f"ns.dns.{domain} hostmaster.{domain} 1 7200 1800 86400 {TTL}"


_SERVER: Final = (
    'directory: "/"',
    'chroot: ""',
    'username: "nobody"',
    'pidfile: ""',
    "use-syslog: no",
    'logfile: ""',
    "do-daemonize: no",
    "verbosity: 0",
    # The kernel gets the address at the same time.
    "ip-freebind: yes",
    # One thread: a change of records is whole between two questions.
    "num-threads: 1",
    'module-config: "respip iterator"',
    "do-not-query-localhost: no",
    "unblock-lan-zones: yes",
    "qname-minimisation: no",
    "harden-below-nxdomain: no",
    "hide-identity: yes",
    "hide-version: yes",
    'target-fetch-policy: "0 0 0 0 0"',
    "msg-cache-size: 4m",
    "rrset-cache-size: 8m",
    "cache-max-ttl: 30",
    "cache-max-negative-ttl: 5",
    "outgoing-range: 1024",
    "num-queries-per-thread: 512",
    "incoming-num-tcp: 100",
    # A silent upstream is given up within two seconds, before a resolver's own five have passed.
    "outbound-msg-retry: 1",
    "unknown-server-time-limit: 376",
    "infra-cache-min-rtt: 100",
    "infra-cache-max-rtt: 1000",
    "infra-host-ttl: 5",
    "infra-keep-probing: yes",
)
