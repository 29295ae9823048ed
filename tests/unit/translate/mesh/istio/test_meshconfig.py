"""The mesh configuration: its fields, and what of it has no effect."""

from __future__ import annotations

import pytest

from tandem.base.problems import Severity
from tandem.ir.locality import Failover, LocalityBalancing
from tandem.ir.paths import Paths
from tandem.model.core import ConfigMap
from tandem.model.meta import Meta
from tandem.model.schemas import tables
from tandem.model.world import World
from tandem.translate.mesh.istio.meshconfig import (
    EFFECTIVE,
    mesh_config_problems,
    read_mesh_config,
    read_mesh_locality,
    read_paths,
)
from tandem.translate.options import Options
from tandem.translate.world import translate_world


def world(text: str, *, namespace: str = "istio-system") -> World:
    meta = Meta(name="istio", namespace=namespace)
    return World.of([ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})])


def told(text: str) -> list[str]:
    return [p.text for p in mesh_config_problems(world(text), Options())]


def test_fields_are_as_they_were_written() -> None:
    found = read_mesh_config(world("{localityLbSetting: {enabled: true}, outboundTrafficPolicy: {}}"), Options())
    assert found.fields == {"localityLbSetting": {"enabled": True}, "outboundTrafficPolicy": {}}
    assert (found.at is not None and found.at.path, found.wrong) == ("data.mesh", "")


def test_a_field_may_have_the_name_of_the_proto_file() -> None:
    found = read_mesh_config(world("{locality_lb_setting: {enabled: true}, a_b: {}}"), Options())
    assert found.fields == {"localityLbSetting": {"enabled": True}, "a_b": {}}


def test_it_stands_in_the_root_namespace_alone() -> None:
    elsewhere = world("a: 1", namespace="shop")
    assert read_mesh_config(elsewhere, Options()).at is None
    assert read_mesh_config(elsewhere, Options(root_namespace="shop")).fields == {"a": 1}


@pytest.mark.parametrize(("text", "why"), [("a: [", "no YAML"), ("[]", "list in place of an object"), ("", "")])
def test_what_is_no_configuration_has_no_fields_and_says_why(text: str, why: str) -> None:
    found = read_mesh_config(world(text), Options())
    assert found.fields == {}
    assert found.wrong.startswith(why)
    assert bool(found.wrong) is bool(why)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("outboundTrafficPolicy: {mode: ALLOW_ANY, modus: 1}", ["outboundTrafficPolicy.modus"]),
        ("outboundTraficPolicy: {mode: REGISTRY_ONLY}", ["outboundTraficPolicy"]),
        ("extensionProviders: 5", ["extensionProviders"]),
        (
            "{accessLogFile: /dev/stdout, pathNormalization: {normalization: SOME}}",
            ["accessLogFile", "pathNormalization.normalization"],
        ),
        ("{extensionProviders: [], outboundTrafficPolicy: {mode: REGISTRY_ONLY}}", []),
        ("{trustDomain: cluster.local, rootNamespace: istio-system, enableAutoMtls: true, ca: null}", []),
        (
            "{trustDomain: other, rootNamespace: a, enableAutoMtls: false}",
            ["enableAutoMtls", "rootNamespace", "trustDomain"],
        ),
        ("localityLbSetting: {enabled: true, failover: [{from: eu, to: us}]}", []),
        ("localityLbSetting: {enable: true}", ["localityLbSetting.enable"]),
        ("localityLbSetting: 5", ["localityLbSetting"]),
        ("localityLbSetting: {failover: [{from: eu, to: eu}]}", ["localityLbSetting.failover[0].to"]),
        ("", []),
    ],
)
def test_what_has_no_effect_is_told_with_its_path(text: str, paths: list[str]) -> None:
    assert sorted(line.partition(":")[0] for line in told(text)) == paths


@pytest.mark.parametrize(
    ("said", "paths"),
    [
        ("{}", None),
        ("{pathNormalization: null}", None),
        ("{pathNormalization: {normalization: SOME}}", None),
        ("{pathNormalization: [BASE]}", None),
        ("{pathNormalization: {normalization: DEFAULT}}", Paths.BASE),
        ("{pathNormalization: {normalization: NONE}}", Paths.KEEP),
        ("{pathNormalization: {normalization: BASE}}", Paths.BASE),
        ("{pathNormalization: {normalization: MERGE_SLASHES}}", Paths.MERGE),
        ("{pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}}", Paths.DECODE),
    ],
)
def test_what_is_done_with_paths(said: str, paths: Paths | None) -> None:
    assert read_paths(world(said), Options()) is paths


def test_localities_are_the_meshs_own_where_they_can_be_used() -> None:
    right = world("localityLbSetting: {failover: [{from: eu, to: us}]}")
    expected = LocalityBalancing(failover=(Failover(region="eu", to="us"),))
    assert read_mesh_locality(right, Options()) == expected
    assert translate_world(right, Options()).config.locality == expected
    for text in ("localityLbSetting: {failover: [{from: eu, to: eu}]}", "localityLbSetting: {enable: true}", "a: ["):
        assert read_mesh_locality(world(text), Options()) == LocalityBalancing()
    assert read_mesh_locality(world("localityLbSetting: {enabled: false}"), Options()) == LocalityBalancing(
        enabled=False
    )


@pytest.mark.parametrize("name", sorted(tables.fields("MeshConfig").keys() - EFFECTIVE))
def test_no_field_is_passed_over_in_silence(name: str) -> None:
    (line,) = told(f"{name}: [1]")
    assert line.startswith(f"{name}: it has no effect here")


def test_it_is_told_once_as_a_warning_of_the_object() -> None:
    found = [p for p in translate_world(world("meshMTLS: {}"), Options()).problems if p.at.kind == "ConfigMap"]
    assert [(p.severity, p.at.name, p.code) for p in found] == [(Severity.WARNING, "istio", "UnsupportedField")]
