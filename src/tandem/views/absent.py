"""Why nobody answers for a port of a Service: each reason with the object that it lies in.

In: the World, the Service, its port and what else an endpoint must carry. Out: Lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tandem.base.addresses import family
from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.consulmeta import traits_of
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference.destinationrules import destination_rules
from tandem.reference.request import ANYBODY, Caller, Share
from tandem.views.ways import Line

_SHOWN = 3


def why_nobody(
    world: World, share: Share, *, protocol: str = "TCP", version: int = 0, caller: Caller = ANYBODY
) -> tuple[Line, ...]:
    """The reasons for which `share` has no endpoint of that family (0: of any) for a caller."""
    service = world.get(core.Service, share.namespace, share.service)
    if service is None:
        return (_nobody(f"there is no Service {share.namespace}/{share.service}"),)
    found = [(i, p) for i, p in enumerate(service.spec.ports) if (p.port, p.protocol) == (share.port, protocol)]
    if not found:
        known = ", ".join(f"{p.port}/{p.protocol}" for p in service.spec.ports)
        return (_nobody(f"the Service has no port {share.port}/{protocol}; it has {known}", service, "spec.ports"),)
    if not service.spec.selector:
        text = "it has no selector, and no EndpointSlice labelled with its name has a ready endpoint for the port"
        return (_nobody(text, service, "spec.selector"),)
    chosen = [p for p in _of(world, service) if matches_map(service.spec.selector, p.metadata.labels)]
    if not chosen:
        return (_nobody(_selects_none(world, service), service, "spec.selector"),)
    wanted = dict(share.labels).items()
    subset = [p for p in chosen if wanted <= traits_of(p.metadata).items()]
    if not subset:
        text = f"none of its {len(chosen)} pods has the labels {_pairs(wanted)} of subset {share.subset!r}"
        return (_line(text, _subset_at(world, share, caller) or service.origin("spec.selector")),)
    return tuple(_of_pods(subset, service, found[0], version))


def _subset_at(world: World, share: Share, caller: Caller) -> Origin | None:
    """Where a DestinationRule says which labels the subset has."""
    for rule in destination_rules(world, (share.namespace, share.service), caller):
        for i, subset in enumerate(rule.spec.subsets):
            if subset.name == share.subset:
                return rule.origin(f"spec.subsets[{i}].labels")
    return None


def _of_pods(
    pods: list[core.Pod], service: core.Service, port: tuple[int, core.ServicePort], version: int
) -> Iterator[Line]:
    index, wanted = port
    for pod in pods[:_SHOWN]:
        unready = not pod.ready and not service.spec.publish_not_ready_addresses
        if not _addresses(pod):
            yield _nobody(f"{_called(pod)} has no address yet: {pod.status.phase}{_said(pod)}", pod)
        elif version and version not in map(family, _addresses(pod)):
            yield _nobody(f"{_called(pod)} has no address of IPv{version}", pod)
        elif port[1].target_port and isinstance(port[1].target_port, str) and not _declares(pod, wanted):
            text = f"no container of {_called(pod)} has a {wanted.protocol} port named {wanted.target_port!r}"
            yield _nobody(f"{text}; {_declared(pod)}", service, f"spec.ports[{index}].targetPort")
        elif pod.terminating:
            yield _nobody(f"{_called(pod)} is being deleted", pod)
        elif unready:
            yield _nobody(f"{_called(pod)} is not ready{_said(pod)}", pod)
    if len(pods) > _SHOWN:
        yield _nobody(f"and {len(pods) - _SHOWN} pods more")


def _of(world: World, service: core.Service) -> list[core.Pod]:
    home = service.metadata.namespace
    return [p for p in world.sorted(core.Pod) if p.metadata.namespace == home and not p.finished]


def _selects_none(world: World, service: core.Service) -> str:
    """With the pods that come nearest: those that have some of the labels."""
    wanted = service.spec.selector.items()
    near = [p for p in _of(world, service) if wanted & p.metadata.labels.items()]
    near = near or [p for p in _of(world, service) if service.spec.selector.keys() & p.metadata.labels.keys()]
    of_these = (f"{_called(p)} has {_pairs((k, p.metadata.labels.get(k, '')) for k, _ in wanted)}" for p in near)
    told = "; ".join(sorted(set(of_these))[:_SHOWN])
    where = service.metadata.namespace
    return f"no pod in namespace {where} has the labels {_pairs(wanted)}" + (f"; {told}" if told else "")


def _addresses(pod: core.Pod) -> tuple[str, ...]:
    return pod.addresses or ((pod.status.pod_ip,) if pod.spec.host_network and pod.status.pod_ip else ())


def _declares(pod: core.Pod, port: core.ServicePort) -> bool:
    ports = (p for c in pod.spec.containers for p in c.ports)
    return any((p.name, p.protocol) == (port.target_port, port.protocol) for p in ports)


def _declared(pod: core.Pod) -> str:
    named = [f"{p.name} ({p.container_port}/{p.protocol})" for c in pod.spec.containers for p in c.ports if p.name]
    return f"it has {', '.join(named)}" if named else "it names none"


def _said(pod: core.Pod) -> str:
    """What the pod's conditions say of why."""
    for name in ("PodScheduled", "Ready", "ContainersReady"):
        for condition in pod.status.conditions:
            if condition.type == name and condition.status == "False" and (condition.message or condition.reason):
                return f" ({condition.message or condition.reason})"
    return f" ({pod.status.message or pod.status.reason})" if pod.status.message or pod.status.reason else ""


def _pairs(labels: Iterable[tuple[str, str]]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels)


def _called(pod: core.Pod) -> str:
    return "/".join(pod.key)


def _nobody(text: str, at: core.Service | core.Pod | None = None, path: str = "") -> Line:
    return _line(text, at.origin(path) if at is not None else None)


def _line(text: str, rule: Origin | None) -> Line:
    return Line(layer="endpoints", effect="nobody", text=text, rule=rule)
