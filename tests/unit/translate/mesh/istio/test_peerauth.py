"""PeerAuthentication: scopes, inheritance, age."""

from __future__ import annotations

from typing import Any

from builders import pod
from meshworlds import peerauth
from tandem.ir.fabric import MtlsMode, PortMtls
from tandem.model.security import PeerAuthentication
from tandem.model.world import World
from tandem.translate.mesh.istio.peerauth import PeerAuthIndex, mode_of

WEB = pod("a", app="web")
SELECT = {"matchLabels": {"app": "web"}}


def index(*policies: PeerAuthentication) -> PeerAuthIndex:
    return PeerAuthIndex(World.of(policies), "istio-system")


def modes(*policies: PeerAuthentication) -> tuple[PortMtls, ...]:
    return index(*policies).modes(WEB)


def mode(text: str) -> dict[str, str]:
    return {"mode": text}


def test_without_objects_a_pod_is_permissive() -> None:
    assert modes() == (PortMtls(port=0, mode=MtlsMode.PERMISSIVE),)


def test_the_narrower_scope_wins() -> None:
    mesh = peerauth("mesh", ns="istio-system", mtls=mode("STRICT"))
    namespace = peerauth("ns", mtls=mode("PERMISSIVE"))
    workload = peerauth("web", selector=SELECT, mtls=mode("DISABLE"))
    assert modes(mesh)[0].mode is MtlsMode.STRICT
    assert modes(mesh, namespace)[0].mode is MtlsMode.PERMISSIVE
    assert modes(mesh, namespace, workload)[0].mode is MtlsMode.DISABLE


def test_unset_inherits_from_the_wider_scope() -> None:
    found = modes(peerauth("mesh", ns="istio-system", mtls=mode("STRICT")), peerauth("ns", mtls=mode("UNSET")))
    assert found[0].mode is MtlsMode.STRICT
    assert found[0].origin is not None
    assert found[0].origin.name == "mesh"


def test_a_port_has_its_own_mode_and_the_others_inherit() -> None:
    found = modes(
        peerauth("ns", mtls=mode("STRICT")),
        peerauth("web", selector=SELECT, portLevelMtls={"8080": mode("DISABLE"), "9090": mode("UNSET")}),
    )
    assert mode_of(found, 8080).mode is MtlsMode.DISABLE
    assert mode_of(found, 9090).mode is MtlsMode.STRICT


def test_a_selector_in_the_root_namespace_is_about_that_namespace() -> None:
    assert modes(peerauth(ns="istio-system", selector=SELECT, mtls=mode("STRICT")))[0].mode is MtlsMode.PERMISSIVE


def test_the_oldest_of_one_scope_wins_and_the_other_is_reported() -> None:
    newer = peerauth("a", created="2026-02-01T00:00:00Z", mtls=mode("DISABLE"))
    older = peerauth("b", created="2026-01-01T00:00:00Z", mtls=mode("STRICT"))
    assert modes(newer, older)[0].mode is MtlsMode.STRICT
    assert [(p.at.name, p.code) for p in index(newer, older).problems] == [("a", "Shadowed")]


def test_of_two_that_select_the_same_pods_the_newer_is_reported() -> None:
    chosen: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}}
    newer = peerauth("a", created="2026-02-01T00:00:00Z", mtls=mode("DISABLE"), **chosen)
    older = peerauth("b", created="2026-01-01T00:00:00Z", mtls=mode("STRICT"), **chosen)
    other = peerauth("c", mtls=mode("STRICT"), selector={"matchLabels": {"app": "db"}})
    found = index(newer, older, other).problems
    assert [(p.at.name, p.code) for p in found] == [("a", "Shadowed")]
    assert "selects the same pods" in found[0].text


def test_an_empty_selector_is_no_selector() -> None:
    assert modes(peerauth(selector={"matchLabels": {}}, mtls=mode("STRICT")))[0].mode is MtlsMode.STRICT


def test_a_mode_that_we_do_not_know_is_taken_for_strict() -> None:
    broken = peerauth(mtls=mode("STRICTER"))
    assert modes(broken)[0].mode is MtlsMode.STRICT
    assert [p.at.path for p in index(broken).problems] == ["spec.mtls.mode"]


def test_ports_without_selector_are_refused_and_the_mode_still_holds() -> None:
    broken = peerauth(mtls=mode("STRICT"), portLevelMtls={"80": mode("DISABLE")})
    assert modes(broken) == (PortMtls(port=0, mode=MtlsMode.STRICT, origin=broken.origin("spec.mtls")),)
    assert [p.at.path for p in index(broken).problems] == ["spec.portLevelMtls"]
