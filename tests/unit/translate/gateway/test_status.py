"""Conditions of GatewayClasses, Gateways and their listeners, and of routes that attach to them."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayworlds import IN_FORCE, at, gateway, gateway_class, https, listener, pool, route, tls_secret, written
from meshworlds import parent
from tandem.model.meta import Object
from tandem.translate.conditions import Programmed
from tandem.translate.gateway.features import SUPPORTED
from tlsworlds import bundle

KEY = ("Gateway", "default", "edge")
POOL = pool("192.0.2.10-192.0.2.12")
Status = dict[str, Any]


def conditions(status: Status) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def test_a_class_of_ours_is_accepted_and_tells_what_is_supported() -> None:
    status = written()["GatewayClass", "tandem"]
    assert conditions(status) == {"Accepted": ("True", "Accepted"), "SupportedVersion": ("True", "SupportedVersion")}
    assert [f["name"] for f in status["supportedFeatures"]] == sorted(SUPPORTED)
    assert {c["observedGeneration"] for c in status["conditions"]} == {1}


def test_a_class_with_parameters_is_refused_and_one_of_others_left_alone() -> None:
    ref = {"group": "g", "kind": "K", "name": "n"}
    found = written(gateway_class("odd", parametersRef=ref), gateway_class("theirs", "example.com/x"))
    assert conditions(found["GatewayClass", "odd"])["Accepted"] == ("False", "InvalidParameters")
    assert ("GatewayClass", "theirs") not in found


def test_a_gateway_in_force_says_so_of_itself_and_of_each_listener() -> None:
    status = written(gateway("edge"), route("hr"), POOL)["Gateway", "edge"]
    assert conditions(status) == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
    }
    assert status["addresses"] == [{"type": "IPAddress", "value": "192.0.2.12"}]
    (one,) = status["listeners"]
    assert (one["attachedRoutes"], [k["kind"] for k in one["supportedKinds"]]) == (1, ["HTTPRoute", "GRPCRoute"])
    assert conditions(one) == {
        "Accepted": ("True", "Accepted"),
        "Programmed": ("True", "Programmed"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Conflicted": ("False", "NoConflicts"),
    }


@pytest.mark.parametrize(
    ("objects", "programmed", "accepted", "in_force"),
    [
        ((gateway("edge"),), {KEY: (False, "waiting")}, ("True", "Accepted"), ("False", "Pending")),
        ((gateway("edge"),), {}, ("True", "Accepted"), ("False", "NoResources")),
        (
            (gateway("edge", listener("a", 80), listener("b", 81, "SCTP")),),
            IN_FORCE,
            ("True", "ListenersNotValid"),
            ("True", "Programmed"),
        ),
        (
            (gateway("edge", listener("b", 81, "SCTP")),),
            IN_FORCE,
            ("False", "ListenersNotValid"),
            ("False", "Invalid"),
        ),
        (
            (gateway("edge", addresses=[{"value": "203.0.113.1"}]),),
            IN_FORCE,
            ("True", "Accepted"),
            ("False", "AddressNotUsable"),
        ),
        (
            (gateway("edge", addresses=[{"type": "Hostname", "value": "a.test"}]),),
            IN_FORCE,
            ("False", "UnsupportedAddress"),
            ("False", "Invalid"),
        ),
        ((gateway("edge", https()),), IN_FORCE, ("True", "Accepted"), ("False", "Invalid")),
    ],
    ids=["pending", "no-node", "one-listener", "no-listener", "unusable", "unsupported", "no-certificate"],
)
def test_a_gateway_says_why_it_is_not_in_force(
    objects: tuple[Object, ...], programmed: Programmed, accepted: tuple[str, str], in_force: tuple[str, str]
) -> None:
    found = conditions(written(*objects, POOL, programmed=programmed)["Gateway", "edge"])
    assert (found["Accepted"], found["Programmed"]) == (accepted, in_force)


def test_a_listener_says_what_is_wrong_with_it_and_the_other_goes_on() -> None:
    made = gateway("edge", https("good", hostname="a.test"), https("bad", of="gone", hostname="b.test"))
    good, bad = (conditions(one) for one in written(made, tls_secret(), POOL)["Gateway", "edge"]["listeners"])
    assert good["Programmed"] == ("True", "Programmed")
    assert bad["Accepted"] == ("True", "Accepted")
    assert bad["ResolvedRefs"] == ("False", "InvalidCertificateRef")
    assert bad["Programmed"] == ("False", "Invalid")


def test_references_that_cannot_be_used_are_told_of_the_whole_and_refuse_nothing() -> None:
    client = gateway("edge", tls={"backend": {"clientCertificateRef": {"name": "gone"}}})
    found = conditions(written(client, POOL)["Gateway", "edge"])
    assert found["ResolvedRefs"] == ("False", "InvalidClientCertificateRef")
    assert (found["Accepted"], found["Programmed"]) == (("True", "Accepted"), ("True", "Programmed"))
    found = conditions(written(gateway("edge", https(of="gone"), listener()), POOL)["Gateway", "edge"])
    assert found["ResolvedRefs"] == ("False", "ListenersNotResolved")


def test_listeners_whose_clients_nobody_could_know_are_not_accepted() -> None:
    refs = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "gone"}]}
    made = gateway("edge", https(), listener(), tls={"frontend": {"default": {"validation": refs}}})
    status = written(made, tls_secret(), POOL)["Gateway", "edge"]
    secure, plain = (conditions(one) for one in status["listeners"])
    assert secure["Accepted"] == ("False", "NoValidCACertificate")
    assert secure["ResolvedRefs"] == ("False", "InvalidCACertificateRef")
    assert secure["Programmed"][0] == "False"
    assert (plain["Accepted"], plain["Programmed"]) == (("True", "Accepted"), ("True", "Programmed"))
    assert conditions(status)["Accepted"] == ("True", "ListenersNotValid")


def test_a_gateway_tells_that_clients_are_let_in_without_a_certificate_for_as_long_as_they_are() -> None:
    def made(mode: str, status: Status | None = None) -> Object:
        refs = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "roots"}], "mode": mode}
        return gateway("edge", https(), tls={"frontend": {"default": {"validation": refs}}}, status=status)

    status = written(made("AllowInsecureFallback"), bundle(), tls_secret(), POOL)["Gateway", "edge"]
    assert conditions(status)["InsecureFrontendValidationMode"] == ("True", "ConfigurationChanged")
    after = written(made("AllowValidOnly", status), bundle(), tls_secret(), POOL)["Gateway", "edge"]
    assert "InsecureFrontendValidationMode" not in conditions(after)


def test_a_conflict_is_told_at_both() -> None:
    made = gateway("edge", listener("a"), listener("b"), listener("c", 81))
    found = [conditions(one) for one in written(made, POOL)["Gateway", "edge"]["listeners"]]
    assert [c["Conflicted"] for c in found] == [("True", "HostnameConflict")] * 2 + [("False", "NoConflicts")]
    assert [c["Accepted"][0] for c in found] == ["False", "False", "True"]


def test_a_route_has_conditions_for_each_gateway_of_ours_and_no_other() -> None:
    found = written(gateway("edge"), route("hr", at(), at(sectionName="x"), at("gone"), parent("web")), POOL)
    parents = found["HTTPRoute", "hr"]["parents"]
    assert [(p["parentRef"]["kind"], conditions(p)["Accepted"]) for p in parents] == [
        ("Gateway", ("True", "Accepted")),
        ("Gateway", ("False", "NoMatchingParent")),
        ("Service", ("True", "Accepted")),
    ]


def test_nothing_is_written_where_nothing_changed() -> None:
    status = written(gateway("edge"), POOL)["Gateway", "edge"]
    assert ("Gateway", "edge") not in written(gateway("edge", status=status), POOL)
