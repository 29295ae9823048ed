"""Priorities and weights of assignments are those that the reference reads out of the objects, on random worlds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import msgspec
import yaml
from hypothesis import event, given, settings

from builders import endpoint_slice, node, pod, service
from meshbuild import attached, identity
from meshworlds import dr
from tandem.base.ids import PodUid
from tandem.compile.envoy import compile_envoy
from tandem.ir.fabric import LocalPod
from tandem.ir.node import NodeView
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.meta import Meta, Object
from tandem.model.world import Key, World
from tandem.reference.locality import Standing, standings
from tandem.reference.request import Share
from tandem.reference.support import refused
from tandem.state.xds import CLUSTER, ENDPOINT
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.distribution import ANNOTATION, near_first, read_wishes
from tandem.translate.mesh.istio.serviceentry import NO_ENTRIES
from tandem.translate.nodes import translate_nodes
from tandem.translate.options import Options
from tandem.translate.services import translate_services
from tandem.translate.world import mesh_config

REGIONS, ZONES, SUBZONES = ("r1", "r2", "r3"), ("z1", "z2", ""), ("", "s1")
WEB = service("web", ip="10.96.0.9", ports=[{"name": "http", "port": 80, "targetPort": 8080}])
PATTERNS = ("r1", "r1/*", "r1/z1", "r1/z1/s1", "r1/z2/*", "r2", "r2/z1", "r3", "*", "r1*", "/z1", "r9")
LABELS = (
    *("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"),
    *("kubernetes.io/hostname", "topology.istio.io/network", "version=v1", "topology.kubernetes.io/zone=z2"),
    *("version", "tier=", "a=b=c"),
)
EJECTING = {"consecutive5xxErrors": 1}
WISHES = st.sampled_from(["", "", "PreferClose", "prefersamezone", "PreferSameNode", "Near"])
AROUND = core.Namespace(api_version="v1", kind="Namespace", metadata=Meta(name="default"))


@st.composite
def nodes(draw: st.DrawFn) -> list[core.Node]:
    found = []
    for i in range(4):
        parts = draw(st.tuples(st.sampled_from(REGIONS), st.sampled_from(ZONES), st.sampled_from(SUBZONES)))
        names = (core.REGION, core.ZONE, core.SUBZONE)
        found.append(node(f"n{i}", **{name: part for name, part in zip(names, parts, strict=True) if part}))
    return found


@st.composite
def pods(draw: st.DrawFn) -> list[core.Pod]:
    made = []
    for i in range(draw(st.integers(1, 6))):
        labels = {"app": "web", "version": draw(st.sampled_from(["v1", "v2"]))}
        if draw(st.integers(0, 4)) == 0:
            labels["istio-locality"] = draw(st.sampled_from(["r1.z1.s1", "r2.z1", "r3"]))
        made.append(pod(f"w{i}", ip=f"10.244.0.{i + 10}", node=f"n{draw(st.integers(0, 3))}", labels=labels))
    return made


@st.composite
def locality(draw: st.DrawFn) -> dict[str, Any]:
    """Of each form; now and then with what does not go together, or with a mistake."""
    found: dict[str, Any] = {}
    if draw(st.integers(0, 5)) == 0:
        found["enabled"] = draw(st.booleans())
    form = draw(st.integers(0, 4))
    if form == 1 or draw(st.integers(0, 9)) == 0:
        found["distribute"] = draw(st.lists(distribution(), min_size=1, max_size=2))
    if form == 2 or draw(st.integers(0, 9)) == 0:
        one, two, three = draw(st.permutations(REGIONS))
        found["failover"] = [{"from": one, "to": two}, {"from": two, "to": three}, {"from": three, "to": one}]
        if draw(st.integers(0, 4)) == 0:
            found["failover"][0][draw(st.sampled_from(["from", "to"]))] = draw(st.sampled_from([two, "r1/z1", "*", ""]))
    if form == 3 or draw(st.integers(0, 9)) == 0:
        known = LABELS if draw(st.integers(0, 4)) == 0 else LABELS[:-3]
        found["failoverPriority"] = draw(st.lists(st.sampled_from(known), max_size=4, unique=True))
    return found


@st.composite
def distribution(draw: st.DrawFn) -> dict[str, Any]:
    separate = st.sampled_from([["r1", "r2/*"], ["r1/z1", "r1/z2/*", "r2"], ["r3", "r1/*", "r2/z1"]])
    to = draw(separate | st.lists(st.sampled_from(PATTERNS[:9]), min_size=1, max_size=3, unique=True))
    first = draw(st.integers(1, 98 // len(to)))
    weights = [first] * (len(to) - 1)
    weights.append(100 - sum(weights) - (draw(st.integers(0, 19)) == 0))
    return {"from": draw(st.sampled_from(PATTERNS)), "to": dict(zip(to, weights, strict=True))}


@st.composite
def policies(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.integers(0, 3)):
        found["loadBalancer"] = {"localityLbSetting": draw(locality())}
    if draw(st.booleans()):
        found["outlierDetection"] = EJECTING
    return found


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    general = draw(policies())
    if draw(st.integers(0, 3)) == 0:
        general["portLevelSettings"] = [{"port": {"number": 80}, **draw(policies())}]
    subsets = [{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]
    if draw(st.booleans()):
        subsets[0]["trafficPolicy"] = draw(policies())
    return {"host": "web", "trafficPolicy": general, "subsets": subsets}


def _mesh(setting: dict[str, Any]) -> core.ConfigMap:
    meta = Meta(name="istio", namespace="istio-system")
    text = yaml.safe_dump({"localityLbSetting": setting})
    return core.ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})


def _local(of: core.Pod) -> LocalPod:
    return LocalPod(
        uid=PodUid(of.metadata.uid),
        namespace="default",
        name=of.metadata.name,
        service_account="web",
        identity=identity("web", "default"),
        labels=tuple(sorted(of.metadata.labels.items())),
        meshed=True,
    )


def _view(world: World, client: str) -> NodeView:
    known = {p.metadata.uid: _local(p) for p in world.sorted(core.Pod)}
    made, places = translate_services(world, known), translate_nodes(world)
    return NodeView(
        node=places[client],
        nodes=places,
        config=mesh_config(world, Options()),
        pods=(attached("client", "10.244.0.2", namespace="default"),),
        services=made.services,
        endpoints=made.endpoints,
        policies={"/".join(key): policy for key, policy in _policies(world).items()},
    )


def _policies(world: World) -> Mapping[Key, TrafficPolicy]:
    rules = translate_destination_rules(world, Options()).policies
    return near_first(NO_ENTRIES, rules, read_wishes(world))[0]


def _noted(found: core.Service | core.Namespace, wish: str) -> Object:
    """With the annotation that asks for endpoints nearby."""
    notes = {ANNOTATION: wish} if wish else {}
    return msgspec.structs.replace(found, metadata=msgspec.structs.replace(found.metadata, annotations=notes))


def _parts(groups: list[Any], *, weighed: bool) -> dict[str, tuple[int, Fraction | None]]:
    """Address -> its priority, and its part of all requests where localities are weighed."""
    total = sum(g.get("load_balancing_weight", 0) for g in groups)
    found: dict[str, tuple[int, Fraction | None]] = {}
    for group in groups:
        ends = [e["endpoint"]["address"]["socket_address"]["address"] for e in group["lb_endpoints"]]
        part = Fraction(group["load_balancing_weight"], total * len(ends)) if weighed else None
        found |= {address: (group.get("priority", 0), part) for address in ends}
    return found


def _expected(known: dict[Key, Standing] | None, members: list[core.Pod]) -> dict[str, tuple[int, Fraction | None]]:
    if known is None:
        return {p.addresses[0]: (0, None) for p in members}
    there = {p.key: p.addresses[0] for p in members}
    return {there[key]: (found.turn, found.part) for key, found in known.items()}


@settings(max_examples=400)
@given(nodes(), pods(), rules(), st.none() | locality(), st.tuples(WISHES, WISHES))
def test_assignments_are_what_the_reference_reads(
    places: list[core.Node], ends: list[core.Pod], rule: Any, whole: dict[str, Any] | None, wishes: tuple[str, str]
) -> None:
    made = dr("web", **rule)
    objects: list[Object] = [*places, *ends, made, endpoint_slice(WEB, ends, ports={"http": 8080})]
    objects += [_mesh(whole)] if whole is not None else []
    objects += [_noted(WEB, wishes[0]), _noted(AROUND, wishes[1])]
    world = World.of(objects)
    refusal = refused(world, made)
    event("refused" if refusal else "applied")
    for client in ("n0", "n1"):
        view = _view(world, client)
        assert any(p.origin is not None for p in view.policies.values()) is not bool(refusal), refusal
        snapshot = compile_envoy(view).resources
        for subset in ("", "v1", "v2") if not refusal else ("",):
            name = "svc/default/web/80" + (f"/{subset}" if subset else "")
            members = [p for p in ends if subset in {"", p.metadata.labels["version"]}]
            share = Share(namespace="default", service="web", port=80, subset=subset)
            known = standings(world, client, share, members)
            weighed = "locality_weighted_lb_config" in snapshot[CLUSTER][name].body["common_lb_config"]
            groups = snapshot[ENDPOINT][name].body.get("endpoints", [])
            assert _parts(groups, weighed=weighed) == _expected(dict(known) if known is not None else None, members)
            _is_well_formed(groups)


def _is_well_formed(groups: list[Any]) -> None:
    """Priorities have no gap, and no locality is twice in one of them (Envoy refuses both, or acts upon one)."""
    priorities = {g.get("priority", 0) for g in groups}
    assert priorities == set(range(len(priorities)))
    seen: dict[int, list[Any]] = defaultdict(list)
    for group in groups:
        assert group.get("locality") not in seen[group.get("priority", 0)]
        seen[group.get("priority", 0)].append(group.get("locality"))
