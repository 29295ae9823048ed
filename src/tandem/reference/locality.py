"""Which pods behind a Service come first for a client, and which get how much, as Istio's pages on localities say.

In: the World, the client's node, and the pods that could be chosen. Out: a Standing for each that gets anything. The
oracle of the property test of localities; it shares no code with translation or compilation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any, Final

import msgspec
import yaml

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.istio import DestinationRule, LbSettings, LocalitySettings, OutlierDetection, TrafficPolicySpec
from tandem.model.trafficpolicy import TrafficPolicy
from tandem.model.world import Key, World
from tandem.reference.destinationrules import destination_rules
from tandem.reference.request import ANYBODY, Caller, Share
from tandem.reference.support import ROOT, locality_mistakes

Where = tuple[str, str, str]
_FIELDS: Final = {"enabled", "distribute", "failover", "failoverPriority"}
_WISH: Final = "networking.istio.io/traffic-distribution"
_TOPOLOGY: Final = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """`turn` 0 comes first, the next one where too few of it are left; `part` of all requests, where parts are said."""

    turn: int
    where: str
    rule: Origin
    part: Fraction | None = None


def standings(
    world: World, node: str, share: Share, pods: Sequence[core.Pod], caller: Caller = ANYBODY
) -> Mapping[Key, Standing] | None:
    """By pod, for a client on a node; None where localities play no part. Who gets nothing has none."""
    rules = destination_rules(world, (share.namespace, share.service), caller)
    lb, outlier, origin = _settings(rules, share)
    asked, origin = (lb.locality_lb_setting, origin) if lb is not None else (None, origin)
    resting = _resting(world, share)
    origin = origin or resting
    wished = None
    if asked is None and (wish := _wish(world, share)) is not None:
        asked, wished = wish
        origin = wished
    if asked is None:
        asked, whole = _of_mesh(world)
        origin = whole if asked.distribute or origin is None else origin
    if origin is None or asked.enabled is False:
        return None
    here, ends = _of_node(world, node), {pod.key: where_is(world, pod) for pod in pods}
    if asked.distribute:
        parts = _parts(asked, here, ends)
        return {
            key: Standing(turn=0, where=_text(ends[key]), rule=origin, part=part) for key, part in sorted(parts.items())
        }
    if outlier is None and resting is None and wished is None:
        return None
    ranks = {pod.key: _rank(world, asked, (node, here), pod) for pod in pods}
    turns = {rank: turn for turn, rank in enumerate(sorted(set(ranks.values())))}
    return {key: Standing(turn=turns[rank], where=_text(ends[key]), rule=origin) for key, rank in ranks.items()}


def _wish(world: World, share: Share) -> tuple[LocalitySettings, Origin] | None:
    """What the annotation of the Service, else of its namespace, asks for; the Service's own field comes before it."""
    service = world.get(core.Service, share.namespace, share.service)
    if service is None or service.spec.traffic_distribution:
        return None
    for found in (service, world.get(core.Namespace, "", share.namespace)):
        value = found.metadata.annotations.get(_WISH, "") if found is not None else ""
        if found is not None and value:
            many = {"preferclose": 2, "prefersamezone": 2, "prefersamenode": 4}.get(value.lower())
            labels = (*_TOPOLOGY, "kubernetes.io/hostname")[:many]
            at = found.origin(f"metadata.annotations[{_WISH}]")
            return (LocalitySettings(failover_priority=labels), at) if many else None
    return None


def where_is(world: World, pod: core.Pod) -> Where:
    """The pod's own label, else its node's."""
    label = pod.metadata.labels.get("istio-locality", "")
    if not label:
        return _of_node(world, pod.spec.node_name)
    parts = label.split(".", 2)
    return parts[0], *(parts[i] if len(parts) > i else "" for i in (1, 2))  # type: ignore[return-value]


def node_text(world: World, node: str) -> str:
    """Where a node is, in a form to read."""
    return _text(_of_node(world, node))


def _of_node(world: World, name: str) -> Where:
    found = world.get(core.Node, "", name)
    labels = found.metadata.labels if found is not None else {}
    return labels.get(_TOPOLOGY[0], ""), labels.get(_TOPOLOGY[1], ""), labels.get(_TOPOLOGY[2], "")


def _text(where: Where) -> str:
    return "/".join(where).rstrip("/") or "no known locality"


def _of_mesh(world: World) -> tuple[LocalitySettings, Origin | None]:
    """What Istio's mesh configuration says of all Services, if it is right."""
    config = world.get(core.ConfigMap, ROOT, "istio")
    raw: Any = None
    if config is not None:
        with suppress(yaml.YAMLError):
            raw = yaml.safe_load(config.data.get("mesh") or "")
    setting = raw.get("localityLbSetting") if isinstance(raw, dict) else None
    if config is None or not isinstance(setting, dict) or setting.keys() - _FIELDS:
        return LocalitySettings(), None
    with suppress(msgspec.ValidationError):
        found = msgspec.convert(setting, LocalitySettings)
        if not locality_mistakes(msgspec.to_builtins(found)):
            return found, config.origin("data.mesh")
    return LocalitySettings(), None


def _settings(
    rules: Iterable[DestinationRule], share: Share
) -> tuple[LbSettings | None, OutlierDetection | None, Origin | None]:
    """Balancer and outlier detection for a port of a Service or subset, and the rule that has the policy."""
    every = list(rules)
    first = next((rule for rule in every if rule.spec.traffic_policy is not None), None)
    policy = first.spec.traffic_policy if first is not None else None
    general = policy or TrafficPolicySpec()
    named = [(rule, s) for rule in every for s in rule.spec.subsets if share.subset and s.name == share.subset]
    own = named[0][1].traffic_policy if named else None
    at_port = {p.port.number: p for p in general.port_level_settings}
    under = at_port.get(share.port) or general
    if own is None:
        return under.load_balancer, under.outlier_detection, first.origin() if first is not None else None
    origin = named[0][0].origin()
    exact = {p.port.number: p for p in own.port_level_settings}.get(share.port)
    if exact is not None:
        return exact.load_balancer, exact.outlier_detection, origin
    return own.load_balancer or under.load_balancer, own.outlier_detection or under.outlier_detection, origin


def _resting(world: World, share: Share) -> Origin | None:
    """The TrafficPolicy that lets endpoints of a port rest: the port's own before the Service's, the oldest of each."""
    service = world.get(core.Service, share.namespace, share.service)
    names = [p.name for p in service.spec.ports if p.port == share.port and p.name] if service is not None else []
    for section in (*names, ""):
        for policy in world.oldest_first(TrafficPolicy):
            meant = [(ref.name, ref.section_name) for ref in policy.spec.target_refs]
            if policy.metadata.namespace == share.namespace and (share.service, section) in meant:
                if policy.spec.outlier_detection is not None:
                    return policy.origin()
                break
    return None


def _parts(asked: LocalitySettings, here: Where, ends: Mapping[Key, Where]) -> dict[Key, Fraction]:
    """The part of each pod; a locality's is shared by its pods, and a pattern's by localities as they have pods."""
    count: dict[Where, int] = defaultdict(int)
    for where in ends.values():
        count[where] += 1
    entry = next((e for e in asked.distribute if _fits(here, e.from_)), None)
    if entry is None:
        return {key: Fraction(1, len(ends)) for key in ends}
    weights: dict[Where, int] = {}
    for pattern, weight in entry.to.items():
        inside = [where for where in count if _fits(where, pattern)]
        for where in inside:
            # Envoy's weights are whole numbers: parts are rounded up.
            exact = Fraction(weight * count[where], sum(count[w] for w in inside))
            weights[where] = int(exact) + (exact.denominator > 1)
    total = sum(weights.values())
    return {key: Fraction(weights[where], total * count[where]) for key, where in ends.items() if where in weights}


def _fits(where: Where, pattern: str) -> bool:
    return all(wanted in {"*", have} for wanted, have in zip(pattern.split("/", 2), where, strict=False))


def _rank(world: World, asked: LocalitySettings, client: tuple[str, Where], pod: core.Pod) -> tuple[int, int]:
    """Labels in their order first, then the distance where it counts."""
    labels = asked.failover_priority
    missed = 0
    for i, text in enumerate(labels):
        name, _, value = text.partition("=")
        wanted = value if "=" in text else _topology(client[0], client[1]).get(name, "")
        if _labels(world, pod).get(name, "") != wanted:
            missed = len(labels) - i
            break
    by_distance = not labels or bool(asked.failover)
    return missed, _distance(asked, client[1], where_is(world, pod)) if by_distance else 0


def _labels(world: World, pod: core.Pod) -> dict[str, str]:
    return {**pod.metadata.labels, **_topology(pod.spec.node_name, where_is(world, pod))}


def _topology(node: str, where: Where) -> dict[str, str]:
    known = {**dict(zip(_TOPOLOGY, where, strict=True)), "kubernetes.io/hostname": node}
    return {name: value for name, value in known.items() if value}


def _distance(asked: LocalitySettings, here: Where, there: Where) -> int:
    """0 in the same subzone, 1 zone, 2 region; another one is 3, or 4 where clients turn to a third one first."""
    if here[0] == there[0]:
        return 2 if here[1] != there[1] else int(here[2] != there[2])
    towards = [f.to for f in asked.failover if f.from_ == here[0]]
    return 4 if towards and towards[0] != there[0] else 3
