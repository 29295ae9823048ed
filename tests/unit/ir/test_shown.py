"""Which pairs of certificate and key a node needs."""

from __future__ import annotations

from msgspec.structs import replace

from gatewaybuild import backend, connections, gateway
from meshbuild import service
from tandem.ir.external import External
from tandem.ir.fabric import AppProtocol, Service
from tandem.ir.shown import certificates_needed, is_seen
from tandem.ir.traffic import CallersPolicy, ClientTls, Origination, PortTraffic, Traffic, TrafficPolicy

MUTUAL = Traffic(tls=ClientTls.MUTUAL, origination=Origination(certificate="shop/own/1"))


def host(*exported: str) -> Service:
    made = service("api.test", "240.240.0.1", ("http", 80, AppProtocol.HTTP))
    return replace(made, external=External(host="api.test", exported=exported))


def test_hosts_are_seen_where_they_are_exported_to_and_services_from_everywhere() -> None:
    assert is_seen(host("*"), {"a"})
    assert is_seen(host("a", "b"), {"b"})
    assert not is_seen(host("a"), {"b"})
    assert not is_seen(host("*"), set())
    plain = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
    assert (is_seen(plain, {"a"}), is_seen(plain, set()), is_seen(None, {"a"})) == (True, False, False)


def test_a_gateway_that_leads_to_a_host_needs_its_pair_also_without_pods() -> None:
    made = host("elsewhere")
    policy = TrafficPolicy(namespace=made.namespace, service=made.name, ports=(PortTraffic(port=80, traffic=MUTUAL),))
    key = f"{made.namespace}/{made.name}"
    there = gateway(connections("raw", backend(made.name, 80)))
    assert certificates_needed((there,), {key: policy}, {key: made}, set()) == {"shop/own/1"}
    assert certificates_needed((), {key: policy}, {key: made}, {"shop"}) == frozenset()


def test_the_pair_of_a_rule_for_callers_goes_where_such_a_caller_is() -> None:
    made = host("*")
    own = TrafficPolicy(namespace=made.namespace, service=made.name, traffic=MUTUAL)
    callers = (CallersPolicy(namespace="bank", policy=own),)
    rule = {f"{made.namespace}/{made.name}": TrafficPolicy(namespace="shop", service=made.name, callers=callers)}
    services = {f"{made.namespace}/{made.name}": made}
    assert certificates_needed((), rule, services, {"shop", "bank"}) == {"shop/own/1"}
    assert certificates_needed((), rule, services, {"shop"}) == frozenset()
    there = gateway(connections("raw", backend(made.name, 80)))
    assert certificates_needed((there,), rule, services, set()) == frozenset()
    assert certificates_needed((replace(there, namespace="bank"),), rule, services, set()) == {"shop/own/1"}
