"""Policies at an egress gateway, judged by the asking pod's own proxy: requests, TLS and bytes, and their flows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509

from netns.externallab import OUTSIDE, Outside, flow_of, running, tls_context
from netns.meshapps import greeter_app, repeats
from netns.meshlab import Ca
from netns.test_external_tls import https_app
from tandem.compile.names import source_log
from tandem.observe.flow import Flow, Verdict

pytestmark = pytest.mark.root

API, RAW = "api.example.com", "raw.example.com"
ENTRIES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
  endpoints: [{address: 192.0.2.10}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: raw}
spec:
  hosts: [raw.example.com]
  resolution: STATIC
  addresses: [198.51.100.9]
  ports: [{number: 9000, name: raw, protocol: TCP}]
  endpoints: [{address: 192.0.2.10}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [api.example.com]}
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: [api.example.com], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9000, name: raw, protocol: TCP}, hosts: [raw.example.com]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example.com]
  gateways: [out, mesh]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out], port: 80, uri: {prefix: /public}}]
    route: [{destination: {host: api.example.com, port: {number: 80}}}]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: [api.example.com]}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 443}}}]
  - match: [{gateways: [out], port: 443, sniHosts: [api.example.com]}]
    route: [{destination: {host: api.example.com, port: {number: 443}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: raw}
spec:
  hosts: [raw.example.com]
  gateways: [out, mesh]
  tcp:
  - match: [{gateways: [mesh], port: 9000}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 9000}}}]
  - match: [{gateways: [out], port: 9000}]
    route: [{destination: {host: raw.example.com, port: {number: 9000}}}]
"""
WILD = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild}
spec:
  hosts: ["*.example.com"]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: out}
spec:
  selector: {istio: egressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: ["*.example.com"], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: wild}
spec:
  hosts: ["*.example.com"]
  gateways: [out, mesh]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 80}}}]
  - match: [{gateways: [out], port: 80}]
    route: [{destination: {host: "*.example.com", port: {number: 80}}}]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: ["*.example.com"]}]
    route: [{destination: {host: istio-egressgateway.istio-system.svc.cluster.local, port: {number: 443}}}]
  - match: [{gateways: [out], port: 443, sniHosts: ["*.example.com"]}]
    route: [{destination: {host: "*.example.com", port: {number: 443}}}]
"""
POLICY = """
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: %s, namespace: istio-system, annotations: {%s}}
spec: {selector: {matchLabels: {istio: egressgateway}}, action: %s, rules: [%s]}
"""


def policy(rules: str, action: str = "ALLOW", *, name: str = "judges", notes: str = "") -> str:
    return POLICY % (name, notes, action, rules)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    with running("eg") as made:
        ca, directory = Ca(), tmp_path_factory.mktemp("eg")
        context = tls_context(directory, *ca.issue(x509.DNSName(API)))
        with https_app(made.ns["one"], "one", context), greeter_app(made.ns["one"], 9000):
            yield made


def asked(outside: Outside, who: str, path: str = "/public", *more: str) -> int:
    return outside.curl(f"http://{API}{path}", *more, who=who, address=OUTSIDE["two"])[0]


def told(outside: Outside, who: str, path: str) -> Flow:
    return flow_of(outside, source_log(outside.pod(who).pod.uid), path)


def secure(outside: Outside, who: str) -> int:
    return outside.curl(f"https://{API}/", "-k", who=who, address=OUTSIDE["two"])[0]


def echoed(outside: Outside, who: str) -> bool:
    return repeats(outside.ns[who], "198.51.100.9", 9000)


@pytest.mark.parametrize(
    "source",
    ["principals: [cluster.local/ns/shop/sa/a]", "namespaces: [shop]", "serviceAccounts: [shop/a]",
     "ipBlocks: [10.244.0.2/32]", "notNamespaces: [other]", "notIpBlocks: [10.244.0.3]"],
)  # fmt: skip
def test_who_may_leave_is_said_by_the_identity_or_the_address_of_the_pod(outside: Outside, source: str) -> None:
    outside.apply(ENTRIES + policy(f"{{from: [{{source: {{{source}}}}}]}}"))
    assert [(asked(outside, w), secure(outside, w), echoed(outside, w)) for w in "ab"] == [
        (200, 200, True),
        (403, 0, False),
    ]


def test_hosts_ports_methods_and_paths_are_those_at_the_gateway(outside: Outside) -> None:
    rules = f"{{to: [{{operation: {{hosts: [{API}], ports: ['80'], methods: [GET], paths: [/public/*]}}}}]}}"
    outside.apply(ENTRIES + policy(rules))
    assert asked(outside, "a", "/public/x") == 200
    assert asked(outside, "a", "/public") == 403
    assert asked(outside, "a", "/public/../private") == 403
    assert asked(outside, "a", "/public/x", "-d", "x") == 403
    assert asked(outside, "a", "/elsewhere") == 403
    assert (secure(outside, "a"), echoed(outside, "a")) == (0, False)


def test_a_denial_counts_for_the_port_it_names_and_404_for_what_no_route_takes(outside: Outside) -> None:
    outside.apply(ENTRIES + policy("{to: [{operation: {ports: ['443']}}]}", "DENY"))
    assert (asked(outside, "a"), secure(outside, "a"), echoed(outside, "a")) == (200, 0, True)
    assert asked(outside, "a", "/elsewhere") == 404


def test_a_name_in_tls_is_judged(outside: Outside) -> None:
    outside.apply(
        ENTRIES + policy("{to: [{operation: {ports: ['443']}}], when: [{key: connection.sni, values: [x.*]}]}")
    )
    assert secure(outside, "a") == 0
    assert asked(outside, "a") == 403
    outside.apply(ENTRIES + policy("{when: [{key: connection.sni, values: [api.*]}]}"), lenient=True)
    assert (secure(outside, "a"), asked(outside, "a")) == (200, 503)


def test_flows_name_the_policy(outside: Outside) -> None:
    outside.apply(ENTRIES + policy("{from: [{source: {namespaces: [shop]}}]}"))
    assert asked(outside, "b", "/public/denied") == 403
    found = told(outside, "b", "/public/denied")
    assert (found.verdict, found.direction, found.reason) == (Verdict.DENIED, "egress", "no rule allows it")
    assert [str(rule) for rule in found.rules] == ["AuthorizationPolicy istio-system/judges"]
    outside.apply(ENTRIES + policy("{from: [{source: {namespaces: [other]}}]}", "DENY"))
    assert asked(outside, "b", "/public/again") == 403
    found = told(outside, "b", "/public/again")
    assert [str(rule) for rule in found.rules] == ["AuthorizationPolicy istio-system/judges spec.rules[0]"]


def test_a_staged_policy_tells_and_an_audit_too(outside: Outside) -> None:
    staged = policy("{from: [{source: {namespaces: [shop]}}]}", notes='istio.io/dry-run: "true"')
    outside.apply(ENTRIES + staged + policy("{}", "AUDIT", name="watches"))
    assert asked(outside, "b", "/public/staged") == 200
    found = told(outside, "b", "/public/staged")
    assert (found.verdict, found.direction) == (Verdict.STAGED, "egress")
    assert [rule.name for rule in (*found.rules, *found.audited)] == ["judges", "watches"]


def test_a_wildcard_leads_through_the_gateway_for_the_names_that_are_allowed(outside: Outside) -> None:
    names = "{to: [{operation: {hosts: [a.example.com], ports: ['80']}}]}"
    sni = "{to: [{operation: {ports: ['443']}}], when: [{key: connection.sni, values: [a.example.com]}]}"
    outside.apply(WILD + policy(f"{names}, {sni}"))
    one = OUTSIDE["one"]
    found = [
        outside.curl(f"{kind}://{host}.example.com/", "-k", address=one)[0]
        for kind in ("http", "https")
        for host in "ab"
    ]
    assert found == [200, 403, 200, 0]
