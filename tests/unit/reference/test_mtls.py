"""mTLS, plain text or refusal; and the reference agrees with translation on membership and modes."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from builders import namespace, pod
from meshworlds import dr, peerauth
from tandem.model.security import PeerAuthentication
from tandem.model.world import World
from tandem.reference.mtls import MtlsDecision, Outcome, decide_mtls, in_mesh, mode_at
from tandem.translate.membership import membership
from tandem.translate.mesh.istio.peerauth import PeerAuthIndex, mode_of

IN, OUT = {"tandem.io/mesh": "enabled"}, {"tandem.io/mesh": "disabled"}
KEYS = ("tandem.io/mesh", "sidecar.istio.io/inject", "istio.io/dataplane-mode", "istio-injection")
VALUES = ("enabled", "disabled", "true", "false", "ambient", "none")


def decide(source: dict[str, str] | None, target: dict[str, str], mode: str = "", client: str = "") -> MtlsDecision:
    policies = [peerauth(mtls={"mode": mode})] if mode else []
    rule = dr(host="b", trafficPolicy={"tls": {"mode": client}}) if client else None
    here = pod("a", labels=source) if source is not None else None
    return decide_mtls(World.of(policies), here, pod("b", labels=target), 80, rule=rule)


@pytest.mark.parametrize(
    ("source", "target", "mode", "client", "outcome"),
    [
        (IN, IN, "", "", Outcome.MTLS),
        (OUT, IN, "", "", Outcome.PLAIN),
        (None, IN, "", "", Outcome.PLAIN),
        (IN, OUT, "", "", Outcome.PLAIN),
        (OUT, OUT, "STRICT", "", Outcome.PLAIN),
        (IN, IN, "STRICT", "", Outcome.MTLS),
        (OUT, IN, "STRICT", "", Outcome.REFUSED),
        (None, IN, "STRICT", "", Outcome.REFUSED),
        (IN, IN, "DISABLE", "", Outcome.PLAIN),
        (IN, IN, "", "DISABLE", Outcome.PLAIN),
        (IN, IN, "STRICT", "DISABLE", Outcome.REFUSED),
        (IN, OUT, "", "ISTIO_MUTUAL", Outcome.REFUSED),
        (IN, IN, "DISABLE", "ISTIO_MUTUAL", Outcome.REFUSED),
    ],
)
def test_outcomes(
    source: dict[str, str] | None, target: dict[str, str], mode: str, client: str, outcome: Outcome
) -> None:
    assert decide(source, target, mode, client).outcome is outcome


def test_a_refusal_names_the_object_that_refuses() -> None:
    found = decide(OUT, IN, "STRICT")
    assert found.rule is not None
    assert str(found.rule) == "PeerAuthentication default/pa spec.mtls"
    assert found.steps[-1].text == "STRICT refuses plain text"


def test_a_decision_survives_json() -> None:
    found = decide(OUT, IN, "STRICT")
    assert msgspec.json.decode(msgspec.json.encode(found), type=MtlsDecision) == found


labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=3)


@settings(max_examples=200)
@given(own=labels, around=labels)
def test_membership_agrees_with_translation(own: dict[str, str], around: dict[str, str]) -> None:
    one = pod("a", labels=own)
    world = World.of([one, namespace("default", **around)])
    assert in_mesh(one, world)[0] == membership(one, world.namespace_labels["default"]).meshed


modes = st.sampled_from(("UNSET", "PERMISSIVE", "STRICT", "DISABLE"))
policies = st.builds(
    lambda name, ns, created, mode, port, selects: peerauth(
        name,
        ns=ns,
        created=created,
        mtls={"mode": mode},
        **({"selector": {"matchLabels": {"app": selects}}, "portLevelMtls": {"80": {"mode": port}}} if selects else {}),
    ),
    st.sampled_from(("p", "q", "r")),
    st.sampled_from(("default", "istio-system", "other")),
    st.sampled_from(("", "2026-01-01T00:00:00Z")),
    modes,
    modes,
    st.sampled_from(("", "web", "db")),
)


@settings(max_examples=200)
@given(st.lists(policies, max_size=4), st.sampled_from((80, 81)))
def test_modes_agree_with_translation(found: list[PeerAuthentication], port: int) -> None:
    web = pod("a", app="web")
    world = World.of([web, *found])
    entry = mode_of(PeerAuthIndex(world, "istio-system").modes(web), port)
    assert mode_at(world, web, port) == (entry.mode.value, entry.origin)
