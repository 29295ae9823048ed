"""Pod -> ir LocalPod with its node, identity, mTLS modes and policy sets, and Problems. Pure.

Only pods with a link of their own are here: bound to a node, not on the host's network, not finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from tandem.base.ids import NodeName, PodUid, PolicySetId, SpiffeId
from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.delivery import AS_DIALLED
from tandem.ir.fabric import AppProtocol, Inbound, LocalPod
from tandem.ir.logged import EVERYTHING
from tandem.ir.outbound import OPEN
from tandem.ir.paths import Paths
from tandem.ir.policy import PolicyIR
from tandem.model import core
from tandem.model.consulmeta import traits_of
from tandem.model.ipam import addresses_of
from tandem.model.selected import Selected, target_port
from tandem.model.world import World
from tandem.translate.limits.found import NO_LIMITS, Limits
from tandem.translate.limits.pods import limits_of_pod
from tandem.translate.membership import Membership, membership, namespace_problems
from tandem.translate.mesh.consul.defaults import Defaults
from tandem.translate.mesh.consul.intentions import IntentionIndex
from tandem.translate.mesh.istio.authentication import AuthenticationIndex
from tandem.translate.mesh.istio.authorization import AuthorizationIndex, one_authorizer
from tandem.translate.mesh.istio.domains import read_domains
from tandem.translate.mesh.istio.meshconfig import mesh_config_problems, read_paths
from tandem.translate.mesh.istio.peerauth import PeerAuthIndex
from tandem.translate.mesh.istio.providers import provider_problems, read_providers
from tandem.translate.mesh.istio.proxyconfig import proxy_config_problems
from tandem.translate.mesh.istio.sidecar import SidecarIndex
from tandem.translate.mesh.istio.telemetry import TelemetryIndex
from tandem.translate.mesh.linkerd.servers import ServerIndex
from tandem.translate.options import Options
from tandem.translate.protocols import PortsSaid, apps


class Pods(msgspec.Struct, frozen=True, kw_only=True):
    """Translated pods by uid, and the node of each."""

    pods: dict[str, LocalPod]
    nodes: dict[str, NodeName]
    problems: tuple[Problem, ...] = ()


def spiffe_id(trust_domain: str, namespace: str, service_account: str) -> SpiffeId:
    """The identity of a workload."""
    return SpiffeId(f"spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}")


def has_link(pod: core.Pod) -> bool:
    """True for pods that a node wires: bound, with a network of their own, and not finished."""
    return bool(pod.spec.node_name) and not pod.spec.host_network and not pod.finished


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What pods of a World are translated with, beside their policy sets."""

    options: Options
    labels: Mapping[str, Mapping[str, str]]
    """Of namespaces."""
    modes: PeerAuthIndex
    authorization: AuthorizationIndex
    intentions: IntentionIndex
    defaults: Defaults
    authentication: AuthenticationIndex
    servers: ServerIndex
    sidecars: SidecarIndex
    telemetry: TelemetryIndex
    services: Selected
    said: Mapping[str, PortsSaid]
    """What others say of the ports of Services, by `namespace/service`."""
    limits: Limits = NO_LIMITS
    paths: Paths = Paths.BASE


class One(msgspec.Struct, frozen=True, kw_only=True):
    """A translated pod."""

    pod: LocalPod
    node: NodeName
    problems: tuple[Problem, ...]


def translate_pods(
    world: World,
    options: Options,
    policy: PolicyIR,
    *,
    said: Mapping[str, PortsSaid] | None = None,
    limits: Limits = NO_LIMITS,
) -> Pods:
    """Every pod that a node wires; `policy` says which sets judge them, `said` what is said of ports."""
    context = Context(
        options=options,
        labels=world.namespace_labels,
        modes=PeerAuthIndex(world, options.root_namespace),
        authorization=AuthorizationIndex(
            world, options.root_namespace, read_providers(world, options), read_domains(world, options)
        ),
        intentions=IntentionIndex(world, options.root_namespace),
        defaults=Defaults(world),
        authentication=AuthenticationIndex(world, options.root_namespace),
        servers=ServerIndex(world, options.trust_domain),
        sidecars=SidecarIndex(world, options),
        telemetry=TelemetryIndex(world, options.root_namespace),
        services=Selected(world.all(core.Service).values()),
        said=said or {},
        limits=limits,
        paths=read_paths(world, options) or Paths.BASE,
    )
    found = [translate_pod(p, context, policy.ingress, policy.egress) for p in world.sorted(core.Pod) if has_link(p)]
    return Pods(
        pods={one.pod.uid: one.pod for one in found},
        nodes={one.pod.uid: one.node for one in found},
        problems=(
            *namespace_problems(world),
            *context.modes.problems,
            *context.authorization.problems,
            *context.intentions.problems,
            *context.defaults.problems,
            *context.authentication.problems,
            *context.servers.problems,
            *context.sidecars.problems,
            *context.telemetry.problems,
            *proxy_config_problems(world),
            *mesh_config_problems(world, options),
            *provider_problems(world, options),
            *(problem for one in found for problem in one.problems),
        ),
    )


def translate_pod(
    pod: core.Pod, context: Context, ingress: Mapping[str, PolicySetId], egress: Mapping[str, PolicySetId]
) -> One:
    """One pod that a node wires; `ingress` and `egress`: the policy sets by pod uid."""
    namespace, options, uid = pod.metadata.namespace, context.options, pod.metadata.uid
    member = membership(pod, context.labels.get(namespace, {}))
    services = context.services.of(pod)
    modes = context.modes.modes(pod, strict=context.defaults.strict(services))
    servers, arriving = context.servers.judged(pod), context.sidecars.delivery(pod)
    http, detected = _ports_read(pod, services, context.said)
    http = ((http | servers.http) - servers.opaque - arriving.opaque) | arriving.http
    judging, conflicts = one_authorizer(
        (
            *context.authorization.policies(pod),
            *context.authentication.denials(pod),
            *context.intentions.policies(namespace, services),
            *servers.policies,
        ),
    )
    counted = limits_of_pod(pod, services, context.limits)
    limits = (*counted, *context.defaults.limits(pod, services), *servers.limits)
    local = LocalPod(
        uid=PodUid(uid),
        namespace=namespace,
        name=pod.metadata.name,
        service_account=pod.spec.service_account_name,
        identity=spiffe_id(options.trust_domain, namespace, pod.spec.service_account_name),
        labels=tuple(sorted(traits_of(pod.metadata).items())),
        meshed=member.meshed,
        addresses=addresses_of(pod),
        ingress=ingress.get(uid),
        egress=egress.get(uid),
        mtls=modes,
        authorization=judging,
        authentication=(*context.authentication.rules(pod), *context.intentions.tokens(namespace, services)),
        outbound=context.sidecars.outbound(pod) if member.meshed else OPEN,
        plain_http_ports=tuple(sorted(http)),
        detected_ports=tuple(sorted(detected - http - servers.opaque - arriving.opaque)),
        delivery=arriving.delivery if member.meshed else AS_DIALLED,
        limits=limits if member.meshed else (),
        logging=context.telemetry.logging(pod) if member.meshed else EVERYTHING,
        inbound=context.defaults.inbound(services) if member.meshed else Inbound(),
        calling=context.defaults.calling(services) if member.meshed else None,
        served=servers.served if member.meshed else (),
        paths=context.paths,
    )
    selecting = {m.origin for m in modes if m.origin is not None and m.port} | {limit.origin for limit in limits}
    selecting |= {policy.origin for policy in servers.policies} | context.intentions.naming(services)
    problems = (*member.problems, *_outside(pod, member, selecting), *conflicts, *servers.problems)
    return One(pod=local, node=NodeName(pod.spec.node_name), problems=problems)


def _ports_read(
    pod: core.Pod, services: Iterable[core.Service], said: Mapping[str, PortsSaid]
) -> tuple[frozenset[int], frozenset[int]]:
    """Where requests are read, and where it is found out if there are some. `services`: those that select the pod."""
    found: dict[AppProtocol, set[int]] = {}
    for service in services:
        read = apps(service, said.get("/".join(service.key)))
        for port, app in zip(service.spec.ports, read, strict=True):
            number = target_port(port, pod)
            if number is not None:
                found.setdefault(app, set()).add(number)
    http = (numbers for app, numbers in found.items() if app.is_http)
    detected = found.get(AppProtocol.DETECTED, set()) - found.get(AppProtocol.TCP, set())
    return frozenset[int]().union(*http), frozenset(detected)


def _outside(pod: core.Pod, member: Membership, origins: set[Origin]) -> tuple[Problem, ...]:
    """What means this very pod (ports in PeerAuthentications, RateLimits, Servers, intentions), while it is outside."""
    if member.meshed:
        return ()
    text = f"pod {pod.metadata.namespace}/{pod.metadata.name} is selected but not in the mesh ({member.because})"
    return tuple(Problem(at=o, code="NotInMesh", text=text, severity=Severity.WARNING) for o in sorted(origins))
