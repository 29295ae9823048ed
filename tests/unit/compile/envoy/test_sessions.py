"""Filter chains of listeners that hand on the bytes of TLS."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gatewaybuild import asking, backend, gateway, hosts, listener, port, route, sessions
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.envoy import hcm
from tandem.compile.envoy.gateway import compile_gateway, compile_gateway_routes
from tandem.compile.envoy.rbac import network_rbac
from tandem.drivers.xds.encode import encode_tree
from tandem.ir.authz import Action, AuthzPolicy
from tandem.ir.gateway import GatewayListener, Sessions
from tandem.ir.tlsterms import TlsTerms
from tandem.ir.trust import Domains
from tandem.state.xds import LISTENER

POLICY = Origin(kind="AuthorizationPolicy", namespace="edge", name="p")
CERTIFICATE = ("edge/cert/0123",)
SERVED = "mirror/gateway/edge/edge/svc/shop/web/80"


def chains(*listeners: GatewayListener) -> list[tuple[Any, Any, bool]]:
    """Of a port with these: what is matched, where bytes go (None: requests are read), and whether TLS ends."""
    (made,) = compile_gateway(gateway(port(*listeners, number=443, tls=True)), ("192.0.2.1",))
    assert encode_tree(LISTENER, made.body, made.name)
    return [
        (chain["filter_chain_match"], _leads(chain["filters"][-1]["typed_config"]), "transport_socket" in chain)
        for chain in made.body["filter_chains"]
    ]


def _leads(proxy: Any) -> Any:
    if "weighted_clusters" in proxy:
        return [(one["name"], one["weight"]) for one in proxy["weighted_clusters"]["clusters"]]
    return proxy.get("cluster")


def asked(*server_names: str) -> dict[str, list[str]]:
    return {"server_names": list(server_names)}


def test_each_route_has_its_names_and_the_rest_of_the_listener_is_refused() -> None:
    first = asking("a.test", "*.b.test", to=backend(), name="one")
    found = chains(sessions("tls", "*.test", first, asking("c.test", to=backend(), name="two")))
    assert found == [
        (asked("a.test", "*.b.test"), [(SERVED, 1)], False),
        (asked("c.test"), [(SERVED, 1)], False),
        (asked("*.test"), names.REFUSED, False),
    ]


@pytest.mark.parametrize("hostname", ["*.test", "a.test"])
def test_a_route_for_all_that_a_listener_is_for_leaves_nothing_to_refuse(hostname: str) -> None:
    wide = sessions("tls", hostname, asking(hostname, to=backend()))
    assert chains(wide) == [(asked(hostname), [(SERVED, 1)], False)]


def test_a_route_without_names_takes_every_session_and_no_plain_text() -> None:
    assert chains(sessions("tls", "*", asking(to=backend()))) == [({"transport_protocol": "tls"}, [(SERVED, 1)], False)]
    assert chains(sessions("tls", "*")) == [({"transport_protocol": "tls"}, names.REFUSED, False)]


def test_sessions_end_before_their_bytes_are_handed_on_and_agree_on_no_protocol() -> None:
    ends = sessions("tls", "a.test", asking("a.test", to=backend()), certificates=CERTIFICATE)
    assert chains(ends) == [(asked("a.test"), [(SERVED, 1)], True)]
    (made,) = compile_gateway(gateway(port(ends, number=443, tls=True)), ("192.0.2.1",))
    context = made.body["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["alpn_protocols"] == []
    assert {origin.kind for origin in made.origins} == {"Gateway", "TLSRoute"}


def test_without_a_certificate_where_one_is_needed_everything_is_refused() -> None:
    bare = msgspec.structs.replace(
        sessions("tls", "a.test", asking("a.test", to=backend())), sessions=Sessions.TERMINATE
    )
    requests = listener("web", "b.test", hosts("b.test", route("r")))
    assert chains(bare, requests) == [
        (asked("a.test"), names.REFUSED, False),
        (asked("b.test"), names.REFUSED, False),
    ]


def test_policies_of_the_gateway_judge_before_bytes_are_handed_on() -> None:
    policy = AuthzPolicy(action=Action.DENY, rules=(), origin=POLICY)
    made = port(sessions("tls", "a.test", asking("a.test", to=backend())), number=443, tls=True)
    (found,) = compile_gateway(msgspec.structs.replace(gateway(made), authorization=(policy,)), ("192.0.2.1",))
    (chain,) = found.body["filter_chains"]
    assert [f["name"] for f in chain["filters"]] == [*(f["name"] for f in network_rbac((policy,), hcm.EDGE)), "tcp"]
    assert POLICY in found.origins


def test_a_port_is_shared_with_listeners_that_read_requests() -> None:
    made = port(
        listener("web", "web.test", hosts("web.test", route("r")), certificates=CERTIFICATE),
        sessions("tls", "*.test", asking("*.test", to=backend())),
        number=443,
        tls=True,
    )
    assert chains(*made.listeners) == [(asked("web.test"), None, True), (asked("*.test"), [(SERVED, 1)], False)]
    (routes,) = compile_gateway_routes(gateway(made), ())
    misdirected = [one["domains"] for one in routes.body["virtual_hosts"] if one["name"] == "*.test"]
    assert misdirected == [["*.test"]]


@pytest.mark.parametrize("sourced", [True, False])
def test_clients_of_the_mesh_are_looked_at_first_where_several_domains_count(*, sourced: bool) -> None:
    terms = TlsTerms(mesh=Domains(own="cluster.local", foreign=("partner",) if sourced else (), sourced=sourced))
    read = msgspec.structs.replace(listener("read", "a.test", hosts("a.test", route("r"))), terms=terms)
    handed = msgspec.structs.replace(
        sessions("handed", "b.test", asking("b.test", to=backend())), terms=terms, sessions=Sessions.TERMINATE
    )
    (made,) = compile_gateway(gateway(port(read, handed, number=443, tls=True)), ("192.0.2.1",))
    ended = [chain for chain in made.body["filter_chains"] if "transport_socket" in chain]
    assert len(ended) == 2
    for chain in ended:
        assert (chain["filters"][0]["name"] == "one-name") is sourced
        context = chain["transport_socket"]["typed_config"]["common_tls_context"]
        assert ("validation_context_sds_secret_config" in context) is sourced
