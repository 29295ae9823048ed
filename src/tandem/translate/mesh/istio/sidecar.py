"""Sidecar objects and outboundTrafficPolicy of the mesh -> what each pod may reach (Outbound), with Problems. Pure.

Istio's rules: a Sidecar that selects the pod, else the namespace's without a selector, else that of the root namespace;
among those of one scope the oldest is used. What of a Sidecar is not enforced is told, and what it restricts stays in
force. The mesh's own mode is `outboundTrafficPolicy` of the mesh configuration (`meshconfig.py`). Of what pods are sent
reads `delivery.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.base.problems import Problem, Severity
from tandem.ir.outbound import OPEN, Outbound, Visible
from tandem.model.core import Pod
from tandem.model.egress import Sidecar
from tandem.model.selectors import matches_map
from tandem.model.world import Key, World
from tandem.translate.mesh.istio.delivery import Read, read_delivery
from tandem.translate.mesh.istio.meshconfig import read_mesh_config
from tandem.translate.options import Options

FIELD: Final = "outboundTrafficPolicy"
_ALLOW: Final = "ALLOW_ANY"
_MODES: Final = (_ALLOW, "REGISTRY_ONLY")


class SidecarIndex:
    """Sidecars by scope, each list oldest first; `problems` is what is wrong with them and with the mesh's mode."""

    def __init__(self, world: World, options: Options) -> None:
        self._options = options
        self._wide: dict[str, Sidecar] = {}
        self._workload: dict[str, list[Sidecar]] = {}
        self._delivery: dict[Key, Read] = {}
        found: list[Problem] = []
        self._mesh = _mesh_mode(world, options, found)
        for sidecar in world.oldest_first(Sidecar):
            namespace = sidecar.metadata.namespace
            found += _mistakes(sidecar)
            self._delivery[sidecar.key] = read_delivery(sidecar)
            found += self._delivery[sidecar.key].problems
            if sidecar.spec.workload_selector is not None and sidecar.spec.workload_selector.labels:
                self._workload.setdefault(namespace, []).append(sidecar)
            elif namespace in self._wide:
                text = f"not used: {self._wide[namespace].origin()} is older and is for the whole namespace"
                found.append(Problem(at=sidecar.origin(), code="Shadowed", text=text, severity=Severity.WARNING))
            else:
                self._wide[namespace] = sidecar
        self.problems = tuple(found)

    def outbound(self, pod: Pod) -> Outbound:
        """What the pod may reach."""
        namespace, sidecar = pod.metadata.namespace, self._of(pod)
        if sidecar is None:
            return self._mesh
        sees = tuple(_visible(sidecar, namespace)) if sidecar.spec.egress else None
        policy = sidecar.spec.outbound_traffic_policy
        if policy is None:
            closed, origin = self._mesh.registry_only, self._mesh.origin
        else:
            closed, origin = policy.mode != _ALLOW, sidecar.origin("spec.outboundTrafficPolicy")
        if not closed and sees is None:
            return OPEN
        return Outbound(sees=sees, registry_only=closed, origin=origin or sidecar.origin("spec.egress"))

    def delivery(self, pod: Pod) -> Read:
        """What becomes of what it is sent."""
        sidecar = self._of(pod)
        return self._delivery[sidecar.key] if sidecar is not None else Read()

    def _of(self, pod: Pod) -> Sidecar | None:
        namespace = pod.metadata.namespace
        selected = next((s for s in self._workload.get(namespace, ()) if _covers(s, pod)), None)
        return selected or self._wide.get(namespace) or self._wide.get(self._options.root_namespace)


def _covers(sidecar: Sidecar, pod: Pod) -> bool:
    selector = sidecar.spec.workload_selector
    return selector is not None and matches_map(selector.labels, pod.metadata.labels)


def _visible(sidecar: Sidecar, home: str) -> Iterator[Visible]:
    """`home`: the namespace of the pod, which is what `.` means also in a Sidecar of the root namespace."""
    for listener in sidecar.spec.egress:
        for text in listener.hosts:
            namespace, slash, host = text.partition("/")
            if slash and namespace != "~" and host:
                where = home if namespace == "." else namespace
                port = listener.port.number if listener.port is not None else 0
                yield Visible(namespace=where, host=host.lower(), port=port)


def _mistakes(sidecar: Sidecar) -> Iterator[Problem]:
    spec = sidecar.spec

    def problem(path: str, code: str, text: str) -> Problem:
        return Problem(at=sidecar.origin(path), code=code, text=text)

    policy = spec.outbound_traffic_policy
    if policy is not None and policy.egress_proxy:
        text = (
            "nothing is sent through another proxy: what is not seen is refused or goes its own way, as the mode says"
        )
        yield problem("spec.outboundTrafficPolicy.egressProxy", "UnsupportedField", text)
    for i, listener in enumerate(spec.egress):
        at = f"spec.egress[{i}]"
        if listener.bind:
            yield problem(
                f"{at}.bind", "UnsupportedField", "pods dial the addresses of hosts: there is none to listen at"
            )
        if listener.capture_mode == "NONE":
            yield problem(f"{at}.captureMode", "UnsupportedValue", "what a pod sends is always captured")
        for j, text in enumerate(listener.hosts):
            namespace, slash, host = text.partition("/")
            if not slash or not namespace or not host or "*" in host[1:]:
                yield problem(f"{at}.hosts[{j}]", "InvalidValue", f"{text!r} is not NAMESPACE/HOST: it shows nothing")


def _mesh_mode(world: World, options: Options, problems: list[Problem]) -> Outbound:
    """ALLOW_ANY where nothing is said; what is said and not understood refuses."""
    settings = read_mesh_config(world, options)
    if settings.at is None or (not settings.wrong and settings.fields.get(FIELD) is None):
        return OPEN
    policy = settings.fields.get(FIELD)
    mode = policy.get("mode", _MODES[1]) if isinstance(policy, dict) else None
    if settings.wrong or mode not in _MODES:
        told = settings.wrong or f"{FIELD}.mode: {mode!r} is none of {', '.join(_MODES)}"
        text = f"{told}: what is not known to the mesh is refused"
        problems.append(Problem(at=settings.at, code="InvalidValue", text=text))
    return OPEN if mode == _ALLOW else Outbound(registry_only=True, origin=settings.at)
