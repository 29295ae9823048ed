"""localityLbSetting of a DestinationRule -> LocalityBalancing, with Problems; localities of endpoints. Pure.

Pods of a node share one proxy, and so the node's locality: labels that each client has for itself cannot choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tandem.base.problems import Problem, Severity
from tandem.ir.locality import (
    Distribution,
    Failover,
    Locality,
    LocalityBalancing,
    Portion,
    Preference,
    locality_of,
)
from tandem.model import core, istio
from tandem.translate.mesh.values import Wrong

ANY: Final = "*"
WHOLE: Final = 100
_PLACES: Final = (core.REGION, core.ZONE, core.SUBZONE)
_OF_NODES: Final = (*_PLACES, core.HOSTNAME, "topology.istio.io/network", "topology.istio.io/cluster")
"""Labels whose value is the same for all pods of a node."""


def own_locality(text: str, labels: Mapping[str, str]) -> Locality | None:
    """Of an endpoint: its field, else its label; None where neither says anything."""
    label = labels.get(core.LOCALITY, "")
    told = text or (label if "/" in label else label.replace(".", "/"))
    return locality_of(told) if told else None


def read_locality(asked: istio.LocalitySettings, at: str, wrong: Wrong) -> LocalityBalancing:
    """What the setting says; what is wrong is told even where it is not enabled, as in Istio."""
    if asked.distribute and asked.failover:
        wrong(f"{at}.failover", "InvalidValue", "give distribute or failover, not both")
    return LocalityBalancing(
        enabled=asked.enabled is not False,
        distribute=tuple(_distributions(asked.distribute, f"{at}.distribute", wrong)),
        failover=tuple(_failovers(asked.failover, f"{at}.failover", wrong)),
        preferences=tuple(_preferences(asked, f"{at}.failoverPriority", wrong)),
    )


def _distributions(asked: tuple[istio.LocalityDistribute, ...], at: str, wrong: Wrong) -> Iterator[Distribution]:
    before: list[Locality] = []
    for i, one in enumerate(asked):
        clients = _pattern(one.from_, f"{at}[{i}].from", wrong)
        if any(earlier.covers(clients) for earlier in before):
            wrong(f"{at}[{i}].from", "InvalidValue", f"{one.from_}: clients there are covered by an earlier entry")
        before.append(clients)
        yield Distribution(clients=clients, portions=tuple(_portions(one.to, f"{at}[{i}].to", wrong)))


def _portions(asked: Mapping[str, int], at: str, wrong: Wrong) -> Iterator[Portion]:
    others: list[Locality] = []
    if sum(asked.values()) != WHOLE:
        wrong(at, "InvalidValue", f"the weights must be {WHOLE} together, not {sum(asked.values())}")
    for text, percent in sorted(asked.items()):
        to = _pattern(text, f"{at}[{text}]", wrong)
        if not 0 < percent <= WHOLE:
            wrong(f"{at}[{text}]", "InvalidValue", f"{percent} is not a weight of 1 to {WHOLE}")
        if any(other.covers(to) or to.covers(other) for other in others):
            wrong(f"{at}[{text}]", "InvalidValue", f"{text} overlaps with another locality of the same entry")
        others.append(to)
        yield Portion(to=to, percent=percent)


def _pattern(text: str, at: str, wrong: Wrong) -> Locality:
    """`REGION/ZONE/SUBZONE`, or less of it; `*` as the last part is the same as to leave it out."""
    parts = text.split("/", 2)
    if not all(parts) or any(ANY in part for part in parts[:-1]) or (ANY in parts[-1] and parts[-1] != ANY):
        wrong(at, "InvalidValue", f"{text!r} is not REGION/ZONE/SUBZONE, or less of it with * as its last part")
    return locality_of("/".join(parts[:-1] if parts[-1] == ANY else parts))


def _failovers(asked: tuple[istio.LocalityFailover, ...], at: str, wrong: Wrong) -> Iterator[Failover]:
    seen: set[str] = set()
    for i, one in enumerate(asked):
        for name, text in (("from", one.from_), ("to", one.to)):
            if not text or "/" in text or ANY in text:
                wrong(f"{at}[{i}].{name}", "InvalidValue", f"{text!r} is not the name of a region")
        if one.from_ == one.to:
            wrong(f"{at}[{i}].to", "InvalidValue", "name another region than that of `from`")
        if one.from_ in seen:
            wrong(f"{at}[{i}].from", "InvalidValue", f"{one.from_} has an earlier entry, which alone would count")
        seen.add(one.from_)
        yield Failover(region=one.from_, to=one.to)


def _preferences(asked: istio.LocalitySettings, at: str, wrong: Wrong) -> Iterator[Preference]:
    for i, text in enumerate(asked.failover_priority):
        label, given, value = text.partition("=")
        if not label or "=" in value:
            wrong(f"{at}[{i}]", "InvalidValue", f"{text!r} is not LABEL or LABEL=VALUE")
        elif asked.failover and label in _PLACES:
            wrong(f"{at}[{i}]", "InvalidValue", f"{label} and failover cannot be given both")
        elif not given and label not in _OF_NODES:
            reason = "each client has its own value, and the clients of a node share one proxy: give LABEL=VALUE"
            wrong(f"{at}[{i}]", "UnsupportedValue", f"{label}: {reason}")
        yield Preference(label=label, value=value if given else None)


def idle_settings(rule: istio.DestinationRule) -> Iterator[Problem]:
    """Warnings of settings that change nothing as they are written."""
    general = rule.spec.traffic_policy
    if general is not None:
        yield from _idle(rule, general, None, "spec.trafficPolicy")
    for i, subset in enumerate(rule.spec.subsets):
        if subset.traffic_policy is not None:
            yield from _idle(rule, subset.traffic_policy, general, f"spec.subsets[{i}].trafficPolicy")


def _idle(
    rule: istio.DestinationRule,
    policy: istio.TrafficPolicySpec,
    under: istio.TrafficPolicySpec | None,
    at: str,
) -> Iterator[Problem]:
    """Of a policy and its ports; a subset inherits the outlier detection of the host (`under`), a port nothing."""
    watched = policy.outlier_detection is not None or (under is not None and under.outlier_detection is not None)
    parts = [(policy.load_balancer, watched, at)]
    for i, own in enumerate(policy.port_level_settings):
        parts.append((own.load_balancer, own.outlier_detection is not None, f"{at}.portLevelSettings[{i}]"))
    for lb, watches, path in parts:
        setting = lb.locality_lb_setting if lb is not None else None
        if setting is None or setting.enabled is False:
            continue
        where = f"{path}.loadBalancer.localityLbSetting"
        if setting.distribute and setting.failover_priority:
            text = "not looked at: distribute comes first"
            origin = rule.origin(f"{where}.failoverPriority")
            yield Problem(at=origin, code="NoEffect", text=text, severity=Severity.WARNING)
        elif not setting.distribute and not watches:
            text = "it has no effect without outlierDetection beside it: no proxy would turn away from the nearest"
            yield Problem(at=rule.origin(where), code="NoEffect", text=text, severity=Severity.WARNING)
