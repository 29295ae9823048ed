"""PeerAuthentication and mesh membership as the documents say -> will a connection be mTLS, plain, or refused, and why.

In: the World, the pods at both ends, the port at the destination. Out: a frozen, JSON-ready value with its steps.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.gateways import Gateway
from tandem.model.istio import ClientTlsSettings, DestinationRule
from tandem.model.security import PeerAuthentication
from tandem.model.world import World
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.request import Share, Step
from tandem.reference.support import ROOT


class Outcome(Enum):
    """How the bytes travel."""

    MTLS = "mtls"
    PLAIN = "plain"
    TLS = "tls"
    """With the application itself, begun by a gateway."""
    REFUSED = "refused"


class MtlsDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome, the destination's mode (empty outside the mesh), and what decided it."""

    outcome: Outcome
    mode: str
    rule: Origin | None = None
    steps: tuple[Step, ...] = ()


def in_mesh(pod: core.Pod, world: World) -> tuple[bool, str]:
    """Whether a pod is in the mesh, and the label that says so."""
    if pod.spec.host_network:
        return False, "it uses the host's network"
    own = pod.metadata.labels
    around = world.namespace_labels.get(pod.metadata.namespace, {})
    for labels, whose in ((own, "its"), (around, "its namespace's")):
        said = labels.get("tandem.io/mesh")
        if said in {"enabled", "disabled"}:
            return said == "enabled", f"{whose} label tandem.io/mesh={said}"
    mode = own.get("istio.io/dataplane-mode")
    if mode not in {"ambient", "none"}:
        mode = around.get("istio.io/dataplane-mode")
    if mode == "ambient":
        return True, "istio.io/dataplane-mode=ambient"
    inject = own.get("sidecar.istio.io/inject")
    if inject not in {"true", "false"}:
        inject = pod.metadata.annotations.get("sidecar.istio.io/inject")
    wide = around.get("istio-injection")
    if inject == "false" or wide == "disabled":
        return False, "sidecar.istio.io/inject=false" if inject == "false" else "istio-injection=disabled"
    if inject == "true" or wide == "enabled":
        return True, "sidecar.istio.io/inject=true" if inject == "true" else "istio-injection=enabled"
    return False, "no label asks for the mesh"


def mode_at(world: World, pod: core.Pod, port: int) -> tuple[str, Origin | None]:
    """The PeerAuthentication mode of a pod's port, and the field that sets it (None: the default, PERMISSIVE)."""
    workload: list[PeerAuthentication] = []
    namespace: list[PeerAuthentication] = []
    mesh: list[PeerAuthentication] = []
    for policy in world.all(PeerAuthentication).values():
        wanted = policy.spec.selector.match_labels if policy.spec.selector else {}
        if wanted:
            chosen = all(pod.metadata.labels.get(k) == v for k, v in wanted.items())
            if chosen and policy.metadata.namespace == pod.metadata.namespace:
                workload.append(policy)
            continue
        if policy.metadata.namespace == pod.metadata.namespace:
            namespace.append(policy)
        if policy.metadata.namespace == ROOT:
            mesh.append(policy)
    oldest = [min(group, key=_age) for group in (workload, namespace, mesh) if group]
    if workload:
        at_port = oldest[0].spec.port_level_mtls.get(str(port))
        if at_port is not None and at_port.mode not in {"", "UNSET"}:
            return at_port.mode, oldest[0].origin(f"spec.portLevelMtls[{port}]")
    asks = _asks(world, pod)
    for policy in oldest:
        if policy.spec.mtls.mode not in {"", "UNSET"} and (asks is None or policy in workload):
            return policy.spec.mtls.mode, policy.origin("spec.mtls")
    return ("PERMISSIVE", None) if asks is None else ("STRICT", asks)


def _asks(world: World, pod: core.Pod) -> Origin | None:
    """What else asks for mTLS at a pod: of the ServiceDefaults of Services that select it the first."""
    for source in world.sorted(ServiceDefaults):
        service = world.get(core.Service, *source.key)
        wanted = service.spec.selector if service is not None else {}
        mine = source.metadata.namespace == pod.metadata.namespace and wanted
        if source.spec.mutual_tls_mode == "strict" and mine and wanted.items() <= pod.metadata.labels.items():
            return source.origin("spec.mutualTLSMode")
    return None


def decide_mtls(
    world: World,
    source: core.Pod | Gateway | IngressGateway | None,
    destination: core.Pod,
    port: int,
    *,
    rule: DestinationRule | None = None,
    dialled: int = 0,
) -> MtlsDecision:
    """How a connection from `source` (None: from outside) to `port` of `destination` travels.

    `rule` is the DestinationRule of the Service that was dialled, if there is one, and `dialled` the Service's port.
    """
    steps: list[Step] = []
    there, why_there = in_mesh(destination, world)
    steps.append(Step(text=f"the destination is {_inside(there)} the mesh: {why_there}"))
    if source is None:
        here = False
        steps.append(Step(text="the source is no pod: it has no identity"))
    elif isinstance(source, Gateway | IngressGateway):
        here = True
        steps.append(Step(text="the source is a gateway, which has an identity of its own"))
    else:
        here, why_here = in_mesh(source, world)
        steps.append(Step(text=f"the source is {_inside(here)} the mesh: {why_here}"))
    wanted = _client(rule, dialled) if here else ""
    if not there:
        if wanted == "ISTIO_MUTUAL" and rule is not None:
            steps.append(Step(text="the client insists on mTLS, the destination has none", origin=rule.origin()))
            return MtlsDecision(outcome=Outcome.REFUSED, mode="", rule=rule.origin(), steps=tuple(steps))
        return MtlsDecision(outcome=Outcome.PLAIN, mode="", steps=tuple(steps))
    mode, origin = mode_at(world, destination, port)
    steps.append(Step(text=f"port {port} is {mode}" + ("" if origin else ", the default"), origin=origin))
    if wanted == "DISABLE" and rule is not None:
        steps.append(Step(text="the client speaks plain text", origin=rule.origin()))
    secure = here and wanted != "DISABLE" and mode != "DISABLE"
    if wanted == "ISTIO_MUTUAL" and mode == "DISABLE" and rule is not None:
        steps.append(Step(text="the client insists on mTLS, which the destination disables", origin=rule.origin()))
        return MtlsDecision(outcome=Outcome.REFUSED, mode=mode, rule=rule.origin(), steps=tuple(steps))
    if not secure and mode == "STRICT":
        steps.append(Step(text="STRICT refuses plain text", origin=origin))
        return MtlsDecision(outcome=Outcome.REFUSED, mode=mode, rule=origin, steps=tuple(steps))
    return MtlsDecision(outcome=Outcome.MTLS if secure else Outcome.PLAIN, mode=mode, rule=origin, steps=tuple(steps))


def decide_direct(world: World, destination: core.Pod, port: int) -> MtlsDecision:
    """How a connection from the mesh to a pod's own address travels: mTLS goes with a Service, this is plain text."""
    there, why_there = in_mesh(destination, world)
    steps = [
        Step(text=f"the destination is {_inside(there)} the mesh: {why_there}"),
        Step(text="no Service was dialled: a pod's own address is reached in plain text"),
    ]
    if not there:
        return MtlsDecision(outcome=Outcome.PLAIN, mode="", steps=tuple(steps))
    mode, origin = mode_at(world, destination, port)
    steps.append(Step(text=f"port {port} is {mode}" + ("" if origin else ", the default"), origin=origin))
    if mode == "STRICT":
        steps.append(Step(text="STRICT refuses plain text", origin=origin))
        return MtlsDecision(outcome=Outcome.REFUSED, mode=mode, rule=origin, steps=tuple(steps))
    return MtlsDecision(outcome=Outcome.PLAIN, mode=mode, rule=origin, steps=tuple(steps))


def name_asked_for(rule: DestinationRule | None, share: Share, cluster_domain: str) -> str:
    """The name that a proxy asks another one for (`connection.sni`): what was dialled, if no rule names another."""
    tls = _tls(rule, share.port)
    if tls is not None and tls.mode == "ISTIO_MUTUAL" and tls.sni:
        return tls.sni
    return f"outbound_.{share.port}_.{share.subset}_.{share.service}.{share.namespace}.svc.{cluster_domain}"


def _client(rule: DestinationRule | None, dialled: int) -> str:
    """The TLS mode that a rule names."""
    tls = _tls(rule, dialled)
    return tls.mode if tls is not None else ""


def _tls(rule: DestinationRule | None, dialled: int) -> ClientTlsSettings | None:
    """What a rule says of TLS; a port with settings of its own has no others."""
    policy = rule.spec.traffic_policy if rule is not None else None
    if policy is None:
        return None
    own = [s for s in policy.port_level_settings if s.port.number == dialled]
    return own[0].tls if own else policy.tls


def _inside(answer: bool) -> str:  # noqa: FBT001 - a word for an answer
    return "in" if answer else "outside"


def _age(policy: PeerAuthentication) -> tuple[str, str]:
    return policy.metadata.creation_timestamp or "", policy.metadata.name
