"""What nobody here understands of a policy closes the smallest part that holds it."""

from __future__ import annotations

import copy
from typing import Any, cast

import msgspec
import pytest

from tandem.model.closing import read_policy
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.consul import ServiceIntentions
from tandem.model.consultokens import JWTProvider
from tandem.model.meta import Object
from tandem.model.parse import ParseError
from tandem.model.policy import NetworkPolicy
from tandem.model.security import AuthorizationPolicy, PeerAuthentication

Raw = dict[str, Any]
BOTH = ["Ingress", "Egress"]
META = {"name": "p", "namespace": "shop", "resourceVersion": "7", "generation": 2}
NETWORK: Raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": META}
CLUSTER: Raw = {
    "apiVersion": "policy.networking.k8s.io/v1beta1",
    "kind": "ClusterNetworkPolicy",
    "metadata": {"name": "c"},
}
ALL: Raw = {"namespaces": {}}


def _spec(policy: Object) -> Raw:
    """The spec as JSON, without defaults."""
    return cast("Raw", msgspec.json.decode(msgspec.json.encode(policy)).get("spec", {}))


def network(**spec: Any) -> Object:
    return read_policy({**NETWORK, "spec": spec})


def cluster(**spec: Any) -> Object:
    return read_policy({**CLUSTER, "spec": {"tier": "Baseline", "priority": 5, "subject": ALL, **spec}})


def test_what_is_understood_is_read_as_it_is() -> None:
    found = network(podSelector={}, ingress=[{"from": [{"podSelector": {}}]}])
    assert isinstance(found, NetworkPolicy)
    assert found.metadata.unreadable == ()


def test_the_input_is_not_changed() -> None:
    raw = {**NETWORK, "spec": {"ingress": [{"from": [{"podSelector": {}, "podNames": ["a"]}]}]}}
    before = copy.deepcopy(raw)
    read_policy(raw)
    assert raw == before


PEERS = {"from": [{"podSelector": {}}, {"podNames": ["a"]}]}


@pytest.mark.parametrize(
    ("spec", "fault", "closed"),
    [
        (
            {"ingress": [PEERS]},
            "spec.ingress[0].from[1].podNames: unknown field",
            {"ingress": [{"from": [{"podSelector": {}}, {}]}]},
        ),
        (
            {"egress": [{"ports": [{"port": 80}, {"port": 1, "icmp": {}}]}]},
            "spec.egress[0].ports[1].icmp: unknown field",
            {"egress": [{"ports": [{"port": 80}, {"protocol": "(not understood)"}]}]},
        ),
        (
            {"ingress": [{"ports": [{"port": 1.5}]}]},
            "spec.ingress[0].ports[0].port: Expected `int | str | null`, got `float`",
            {"ingress": [{"ports": [{"protocol": "(not understood)"}]}]},
        ),
        (
            {"ingress": [{}, {"when": "night"}]},
            "spec.ingress[1].when: unknown field",
            {"ingress": [{}, {"from": [{}]}]},
        ),
        ({"egress": [{"to": "all"}]}, "spec.egress[0].to: Expected `array`, got `str`", {"egress": [{"to": [{}]}]}),
        (
            {"ingress": "all", "policyTypes": ["Ingress"]},
            "spec.ingress: Expected `array`, got `str`",
            {"policyTypes": ["Ingress"]},
        ),
        (
            {"ingress": [{}], "podSelector": {"matchNames": ["a"]}, "policyTypes": ["Ingress"]},
            'spec.podSelector.matchNames: unknown field (did you mean "matchLabels"?)',
            {"podSelector": {}, "policyTypes": ["Ingress"]},
        ),
        (
            {"ingress": [{}], "podSelector": {"matchLabels": {"a": "b"}}, "mode": "off"},
            "spec.mode: unknown field",
            {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": BOTH},
        ),
        ({"policyTypes": "Ingress"}, "spec.policyTypes: Expected `array`, got `str`", {"policyTypes": BOTH}),
    ],
)
def test_a_network_policy_is_closed_where_it_is_not_understood(spec: Raw, fault: str, closed: Raw) -> None:
    found = network(**spec)
    assert found.metadata.unreadable == (fault,)
    assert _spec(found) == closed


def test_a_network_policy_without_a_spec_that_can_be_read_isolates_its_namespace() -> None:
    found = read_policy({**NETWORK, "spec": "deny"})
    assert _spec(found) == {"podSelector": {}, "policyTypes": BOTH}
    assert found.key == ("shop", "p")


DENY: Raw = {"action": "Deny", "from": [ALL]}


@pytest.mark.parametrize(
    ("spec", "fault", "closed"),
    [
        (
            {"ingress": [{"action": "Deny", "from": [ALL, {"identities": {}}]}]},
            "spec.ingress[0].from[1].identities: unknown field",
            {"ingress": [{"action": "Deny", "from": [ALL, {}]}]},
        ),
        (
            {"egress": [{"action": "Accept", "to": [ALL], "protocols": [{"icmp": {}}]}]},
            "spec.egress[0].protocols[0].icmp: unknown field",
            {"egress": [{"action": "Accept", "to": [ALL], "protocols": [{}]}]},
        ),
        (
            {"ingress": [{**DENY, "unless": {}}, DENY]},
            "spec.ingress[0].unless: unknown field",
            {"ingress": [{"action": "Deny"}, DENY]},
        ),
        (
            {"ingress": [{"action": 7, "from": [ALL]}]},
            "spec.ingress[0].action: Expected `str`, got `int`",
            {"ingress": [{}]},
        ),
        ({"ingress": {}}, "spec.ingress: Expected `array`, got `object`", {"ingress": [{}]}),
        (
            {"subject": {"identities": {}}, "ingress": [DENY]},
            "spec.subject.identities: unknown field",
            {"subject": {}, "ingress": [DENY]},
        ),
        (
            {"tier": 1, "ingress": [DENY]},
            "spec.tier: Expected `str`, got `int`",
            {"tier": "Admin", "priority": None, "ingress": [{"action": "Deny"}]},
        ),
        (
            {"priority": "5", "ingress": [DENY]},
            "spec.priority: Expected `int`, got `str`",
            {"tier": "Admin", "priority": None, "ingress": [{"action": "Deny"}]},
        ),
        (
            {"ingress": [DENY, {"action": "Accept", "from": [ALL]}], "schedule": {}},
            "spec.schedule: unknown field",
            {"ingress": [{"action": "Deny"}, {"action": "Accept"}]},
        ),
    ],
)
def test_a_policy_of_the_tiers_is_left_without_what_is_not_understood(spec: Raw, fault: str, closed: Raw) -> None:
    found = cluster(**spec)
    assert isinstance(found, ClusterNetworkPolicy)
    wanted = {"tier": "Baseline", "priority": 5, "subject": ALL, **closed}
    assert found.metadata.unreadable == (fault,)
    assert _spec(found) == {k: v for k, v in wanted.items() if v is not None}


def test_a_policy_of_the_tiers_whose_spec_cannot_be_read_has_a_rule_for_each_side() -> None:
    assert _spec(read_policy({**CLUSTER, "spec": None})) == {}
    assert _spec(read_policy({**CLUSTER, "spec": []})) == {"ingress": [{}], "egress": [{}]}


def test_every_fault_is_told() -> None:
    found = network(podSelector={"a": {}}, ingress=[{"b": 1, "from": [{"c": 1}]}], egress=7)
    paths = [line.partition(": ")[0] for line in found.metadata.unreadable]
    assert paths == ["spec.podSelector.a", "spec.ingress[0].b", "spec.ingress[0].from[0].c"]


def test_values_that_translation_judges_are_no_faults() -> None:
    found = network(ingress=[{"from": [{"ipBlock": {"cidr": "x"}}], "ports": [{"port": 0, "protocol": "ICMP"}]}])
    assert found.metadata.unreadable == ()


def test_fields_of_metadata_and_status_close_nothing() -> None:
    raw = {**NETWORK, "metadata": {**META, "shard": 7}, "spec": {"ingress": [{}]}, "status": {"conditions": 7}}
    found = read_policy(raw)
    assert _spec(found) == {"ingress": [{}]}
    assert [line.partition(": ")[0] for line in found.metadata.unreadable] == ["status.conditions"]


def test_metadata_of_another_form_is_read_as_far_as_it_can_be() -> None:
    raw = {**NETWORK, "metadata": {**META, "labels": {"a": "b", "c": 7}, "finalizers": "x"}, "spec": {}}
    found = read_policy(raw)
    assert (found.key, found.metadata.labels, found.metadata.generation) == (("shop", "p"), {"a": "b"}, 2)


def test_what_is_no_object_of_a_kind_is_refused() -> None:
    with pytest.raises(ParseError):
        read_policy({**NETWORK, "metadata": {"name": 7}})


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        ({"mtls": "off", "selector": {"matchLabels": {"a": "b"}}}, {"a": "b"}),
        ({"mtls": "off", "selector": {"matchLabels": {"a": 7}}}, None),
        ("off", None),
    ],
)
def test_encryption_that_is_not_understood_is_strict(spec: Any, labels: dict[str, str] | None) -> None:
    raw = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": META, "spec": spec}
    found = read_policy(raw)
    assert isinstance(found, PeerAuthentication)
    assert found.spec.mtls.mode == "STRICT"
    assert _spec(found).get("selector", {}).get("matchLabels") == labels
    assert len(found.metadata.unreadable) == 1


def test_an_authorization_policy_that_is_not_understood_denies_to_whom_it_is_about() -> None:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "rules": [{"from": [{"source": {"moons": ["full"]}}]}]}
    raw = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": META, "spec": spec}
    found = read_policy(raw)
    assert isinstance(found, AuthorizationPolicy)
    assert (found.spec.action, len(found.spec.rules)) == ("DENY", 1)
    assert found.spec.selector is not None
    assert found.spec.selector.match_labels == {"app": "web"}
    assert "moons" in found.metadata.unreadable[0]
    blind = read_policy({**raw, "spec": {"selector": {"matchLabels": 7}}})
    assert isinstance(blind, AuthorizationPolicy)
    assert (blind.spec.action, blind.spec.selector) == ("DENY", None)


def test_a_field_of_a_request_authentication_that_nobody_knows_leaves_its_selector() -> None:
    rule = {"issuer": "i", "jwks": "{}", "onlyOnSundays": True}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "jwtRules": [rule]}
    raw: Raw = {"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication", "metadata": META, "spec": spec}
    found = read_policy(raw)
    assert _spec(found) == {"selector": {"matchLabels": {"a": "b"}}}
    assert [line.partition(": ")[0] for line in found.metadata.unreadable] == ["spec.jwtRules[0].onlyOnSundays"]


def test_a_field_of_a_backend_tls_policy_that_nobody_knows_leaves_its_targets() -> None:
    ref = {"group": "", "kind": "Service", "name": "web"}
    validation = {"hostname": "a.test", "wellKnownCACertificates": "System", "leastVersion": "1.3"}
    raw: Raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "BackendTLSPolicy", "metadata": META}
    found = read_policy({**raw, "spec": {"targetRefs": [ref], "validation": validation}})
    assert _spec(found) == {"targetRefs": [{"kind": "Service", "name": "web"}]}
    assert [line.partition(": ")[0] for line in found.metadata.unreadable] == ["spec.validation.leastVersion"]
    blind = read_policy({**raw, "spec": {"targetRefs": [{**ref, "from": "x"}], "validation": validation}})
    assert _spec(blind) == {}


@pytest.mark.parametrize(
    ("spec", "left"),
    [
        ({"destination": {"name": "web"}, "sources": [{"name": "a", "hours": 8}]}, "web"),
        ({"destination": {"name": "web"}, "sources": 7}, "web"),
        ({"destination": {"name": "web", "moon": 1}, "sources": []}, ""),
        ({"destination": {"name": 7}, "sources": []}, ""),
    ],
)
def test_intentions_that_are_not_understood_allow_nobody_where_they_are_about(spec: Any, left: str) -> None:
    raw = {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": "ServiceIntentions", "metadata": META, "spec": spec}
    found = read_policy(raw)
    assert isinstance(found, ServiceIntentions)
    assert (found.spec.destination.name, found.spec.sources) == (left, ())
    assert len(found.metadata.unreadable) == 1


def test_a_provider_of_tokens_that_is_not_understood_says_nothing() -> None:
    spec = {"issuer": "i", "moon": 1, "jsonWebKeySet": {"remote": {"uri": "http://x/"}}}
    raw = {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": "JWTProvider", "metadata": META, "spec": spec}
    found = read_policy(raw)
    assert isinstance(found, JWTProvider)
    assert (found.spec.issuer, found.spec.json_web_key_set) == ("", None)
    assert found.metadata.unreadable[0].startswith("spec.moon")
