"""BackendTLSPolicies one by one: what each asks for and about, and which of several counts."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from gatewayworlds import world
from issuing import authority
from tandem.base.problems import Problem
from tandem.ir.traffic import ClientTls, Origination
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.closing import read_policy
from tandem.model.meta import Object
from tandem.translate.gateway.backendtls import Settings, read_claims, read_settings, settle
from tandem.translate.options import Options
from tlsworlds import backend_tls, bundle, ca, target

REFUSED = Settings(tls=ClientTls.REFUSE)
REFS = "spec.validation.caCertificateRefs"
TWO = service(
    "two",
    ports=[{"name": "a", "port": 443}, {"name": "b", "port": 8443}, {"name": "u", "port": 53, "protocol": "UDP"}],
)


def settings(policy: BackendTLSPolicy, *objects: Object, options: Options | None = None) -> Settings:
    return read_settings(world(*objects), options or Options(), policy)[0]


def told(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(p.at.path, p.code) for p in problems]


def test_a_policy_asks_for_its_name_of_the_authorities_that_it_names() -> None:
    assert settings(backend_tls(), bundle()) == Settings(
        tls=ClientTls.SIMPLE, origination=Origination(server_name="web.test", roots_pem=authority().pem)
    )


def test_other_names_take_the_place_of_the_one_that_is_asked_for() -> None:
    names = [{"type": "Hostname", "hostname": "b.test"}, {"type": "URI", "uri": "spiffe://a/b"}]
    found = settings(backend_tls(subjectAltNames=names), bundle()).origination
    assert (found.server_name, found.alt_names) == ("web.test", ("b.test", "spiffe://a/b"))


def test_the_authorities_of_the_machine_are_asked_for_by_name_where_it_has_some() -> None:
    policy = backend_tls(refs=(), wellKnownCACertificates="System")
    assert settings(policy) == Settings(tls=ClientTls.SIMPLE, origination=Origination(server_name="web.test"))
    assert settings(policy, options=Options(system_roots=False)) == REFUSED


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"refs": (ca("gone"),)}, [(f"{REFS}[0]", "InvalidCACertificateRef"), (REFS, "NoValidCACertificate")]),
        ({"refs": (ca(kind="Secret"),)}, [(f"{REFS}[0]", "InvalidKind"), (REFS, "NoValidCACertificate")]),
        (
            {"refs": (), "wellKnownCACertificates": "a.test/ours"},
            [("spec.validation.wellKnownCACertificates", "Invalid")],
        ),
        ({"options": {"a.test/b": "c"}}, [("spec.options[a.test/b]", "Invalid")]),
    ],
)
def test_what_cannot_be_had_closes_the_backends(more: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found, problems = read_settings(world(bundle()), Options(), backend_tls(**more))
    assert (found, told(problems)) == (REFUSED, expected)


def test_one_authority_of_several_is_enough_and_the_other_is_told() -> None:
    found, problems = read_settings(world(bundle()), Options(), backend_tls(refs=(ca("gone"), ca())))
    assert (found.tls, told(problems)) == (ClientTls.SIMPLE, [(f"{REFS}[0]", "InvalidCACertificateRef")])


@pytest.mark.parametrize(
    ("ref", "ports", "expected"),
    [
        (target("two"), (443, 8443), [("spec.targetRefs[0]", "NoEffect")]),
        (target("two", "b"), (8443,), []),
        (target("two", "gone"), (), [("spec.targetRefs[0].sectionName", "TargetNotFound")]),
        (target("two", "u"), (), [("spec.targetRefs[0]", "Invalid")]),
        (target("gone"), (), [("spec.targetRefs[0].name", "TargetNotFound")]),
    ],
)
def test_a_target_is_ports_of_tcp(ref: dict[str, Any], ports: tuple[int, ...], expected: list[tuple[str, str]]) -> None:
    (claim,), problems = read_claims(world(TWO), backend_tls("p", ref))
    assert (claim.ports, told(problems)) == (ports, expected)


def test_targets_of_other_kinds_are_told() -> None:
    claims, problems = read_claims(world(), backend_tls("p", target(group="a.test", kind="Bucket")))
    assert (claims, told(problems)) == ([], [("spec.targetRefs[0]", "TargetNotFound")])


def test_the_port_counts_before_the_service_and_age_within_each() -> None:
    found = [
        *read_claims(world(TWO), backend_tls("whole", target("two")))[0],
        *read_claims(world(TWO), backend_tls("port", target("two", "a")))[0],
        *read_claims(world(TWO), backend_tls("late", target("two", "a")))[0],
    ]
    counts, lost = settle(found)
    assert {port: claim.policy[1] for (_, port), claim in counts.items()} == {443: "port", 8443: "whole"}
    assert [(loser.policy[1], winner.policy[1]) for loser, winner in lost] == [("late", "port")]


def raw(**spec: Any) -> dict[str, Any]:
    meta = {"name": "p", "namespace": "default"}
    api = "gateway.networking.k8s.io/v1"
    return {"apiVersion": api, "kind": "BackendTLSPolicy", "metadata": meta, "spec": spec}


def test_a_policy_that_nobody_understands_closes_its_targets_or_the_namespace() -> None:
    validation = {"hostname": "a.test", "wellKnownCACertificates": "System", "versions": ["1.3"]}
    known = read_policy(raw(targetRefs=[target("two")], validation=validation))
    assert isinstance(known, BackendTLSPolicy)
    assert settings(known) == REFUSED
    assert [claim.service[1] for claim in read_claims(world(TWO), known)[0]] == ["two"]
    unknown = read_policy(raw(targetRefs=[{**target("two"), "from": "b"}], validation=validation))
    assert isinstance(unknown, BackendTLSPolicy)
    assert [claim.service[1] for claim in read_claims(world(TWO), unknown)[0]] == ["two", "web"]
