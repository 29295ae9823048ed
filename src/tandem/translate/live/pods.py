"""`translate_pods`, pod by pod: those that changed, whose policy sets changed, or in whose namespace something did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from tandem.base.ids import NodeName, PolicySetId
from tandem.base.problems import Problem
from tandem.base.table import Table, changes
from tandem.ir.fabric import LocalPod
from tandem.ir.paths import Paths
from tandem.model import core
from tandem.model.egress import Sidecar
from tandem.model.kept import Kept
from tandem.model.security import PeerAuthentication
from tandem.model.selected import Selected
from tandem.model.selectors import matches_map
from tandem.model.telemetry import Telemetry
from tandem.model.world import World
from tandem.translate.limits.found import NO_LIMITS, Limits
from tandem.translate.live.problems import Gathered
from tandem.translate.membership import namespace_problems
from tandem.translate.mesh.consul.defaults import Defaults
from tandem.translate.mesh.consul.intentions import IntentionIndex
from tandem.translate.mesh.istio.authentication import AuthenticationIndex
from tandem.translate.mesh.istio.authorization import AuthorizationIndex, reading
from tandem.translate.mesh.istio.domains import Domains, read_domains
from tandem.translate.mesh.istio.meshconfig import NAME as MESH
from tandem.translate.mesh.istio.meshconfig import mesh_config_problems, read_paths
from tandem.translate.mesh.istio.peerauth import PeerAuthIndex, selected_by
from tandem.translate.mesh.istio.providers import Providers, provider_problems, read_providers
from tandem.translate.mesh.istio.proxyconfig import proxy_config_problems
from tandem.translate.mesh.istio.scoped import Scoped, matches_all
from tandem.translate.mesh.istio.sidecar import SidecarIndex
from tandem.translate.mesh.istio.telemetry import TelemetryIndex
from tandem.translate.mesh.linkerd.servers import ServerIndex
from tandem.translate.options import Options
from tandem.translate.pods import Context, has_link, translate_pod
from tandem.translate.protocols import PortsSaid

Judged = Mapping[str, PolicySetId]
"""Pod uid -> policy set."""


class Said(Protocol):
    """What is said of pods, by namespace."""

    def differing(self, other: Any) -> set[str]:
        """The namespaces of which another one of the kind says something else."""
        ...


class LivePods:
    """`pods` and `nodes` are those of the newest World."""

    def __init__(self, options: Options, gathered: Gathered) -> None:
        self.pods: Table[str, LocalPod] = Table()
        self.nodes: Table[str, NodeName] = Table()
        self._options, self._gathered = options, gathered
        self._before = World()
        self._judged: tuple[Judged, Judged] = (Table(), Table())
        self._ports: Mapping[str, PortsSaid] = {}
        self._limits, self._paths = NO_LIMITS, Paths.BASE
        self._linked: dict[str, dict[str, core.Pod]] = {}
        self._services = Selected()
        self._modes: Kept[PeerAuthIndex] = Kept(PeerAuthIndex)
        self._authorization: Kept[AuthorizationIndex] = Kept(AuthorizationIndex)
        self._policies = reading()
        self._intentions: Kept[IntentionIndex] = Kept(IntentionIndex)
        self._defaults: Kept[Defaults] = Kept(Defaults)
        self._providers: Kept[Providers] = Kept(read_providers)
        self._domains: Kept[Domains] = Kept(read_domains)
        self._config: Kept[tuple[Problem, ...]] = Kept(mesh_config_problems)
        self._unusable: Kept[tuple[Problem, ...]] = Kept(provider_problems)
        self._authentication: Kept[AuthenticationIndex] = Kept(AuthenticationIndex)
        self._servers: Kept[ServerIndex] = Kept(ServerIndex)
        self._said: tuple[Said, ...] = ()
        self._scoped: tuple[Scoped[Any], ...] = ()
        self._sidecars: Kept[SidecarIndex] = Kept(SidecarIndex)
        self._telemetry: Kept[TelemetryIndex] = Kept(TelemetryIndex)
        self._proxies: Kept[tuple[Problem, ...]] = Kept(proxy_config_problems)
        self._namespaces: Kept[tuple[Problem, ...]] = Kept(namespace_problems)

    def update(self, now: World, judged: tuple[Judged, Judged], ports: Mapping[str, PortsSaid], limits: Limits) -> None:
        """Go on to this World; `judged`: the sets of ingress and egress."""
        before, self._before = self._before, now
        touched, gone = self._changed_pods(before, now)
        for old, new in zip(self._judged, judged, strict=True):
            for uid in changes(old, new):
                pod = now.pods_by_uid.get(uid)
                if pod is not None and has_link(pod):
                    touched[uid] = pod
        providers = self._providers(now, self._options)
        domains = self._domains(now, self._options)
        root = self._options.root_namespace
        authorization = self._authorization(now, root, providers, domains, self._policies)
        authentication = self._authentication(now, self._options.root_namespace)
        intentions = self._intentions(now, self._options.root_namespace)
        defaults = self._defaults(now)
        servers = self._servers(now, self._options.trust_domain)
        said = (servers, intentions, defaults)
        for namespace in self._changed_namespaces(before, now, said):
            touched.update((pod.metadata.uid, pod) for pod in self._linked.get(namespace, {}).values())
        scoped = (authorization.scoped, authentication.scoped)
        for namespace, selector in self._changed_selectors(before, now, scoped):
            places = self._linked if namespace == self._options.root_namespace else (namespace,)
            near = (pod for place in places for pod in self._linked.get(place, {}).values())
            touched.update((p.metadata.uid, p) for p in near if matches_all(selector, p.metadata.labels))
        for service in (*self._changed_services(before, now, ports), *self._limited_anew(now, limits)):
            pods = self._linked.get(service.metadata.namespace, {}).values()
            touched.update((p.metadata.uid, p) for p in pods if matches_map(service.spec.selector, p.metadata.labels))
        paths = read_paths(now, self._options) or Paths.BASE
        if paths is not self._paths:
            touched.update((pod.metadata.uid, pod) for pods in self._linked.values() for pod in pods.values())
        self._judged, self._ports, self._limits, self._paths = judged, ports, limits, paths
        self._said, self._scoped = said, scoped
        context = Context(
            options=self._options,
            labels=now.namespace_labels,
            modes=self._modes(now, self._options.root_namespace),
            authorization=authorization,
            intentions=intentions,
            defaults=defaults,
            authentication=authentication,
            servers=servers,
            sidecars=self._sidecars(now, self._options),
            telemetry=self._telemetry(now, self._options.root_namespace),
            services=self._services,
            said=ports,
            limits=limits,
            paths=paths,
        )
        self._gathered.tell((2, "namespaces"), self._namespaces(now))
        self._gathered.tell((3, "modes"), context.modes.problems)
        self._gathered.tell((3, "authorization"), authorization.problems)
        self._gathered.tell((3, "intentions"), intentions.problems)
        self._gathered.tell((3, "defaults"), defaults.problems)
        self._gathered.tell((3, "authentication"), authentication.problems)
        self._gathered.tell((3, "servers"), servers.problems)
        self._gathered.tell((3, "sidecars"), context.sidecars.problems)
        self._gathered.tell((3, "telemetry"), context.telemetry.problems)
        self._gathered.tell((3, "proxies"), self._proxies(now))
        self._gathered.tell((3, "mesh"), self._config(now, self._options))
        self._gathered.tell((3, "providers"), self._unusable(now, self._options))
        put: dict[str, LocalPod] = {}
        nodes: dict[str, NodeName] = {}
        for uid, pod in touched.items():
            one = translate_pod(pod, context, *judged)
            known = self.pods.get(uid)
            put[uid] = known if known is not None and known == one.pod else one.pod
            nodes[uid] = one.node if self.nodes.get(uid) != one.node else self.nodes[uid]
            self._gathered.tell((4, *pod.key, uid), one.problems)
        for uid, pod in gone.items():
            self._gathered.tell((4, *pod.key, uid), ())
        self.pods = self.pods.changed(put, gone)
        self.nodes = self.nodes.changed(nodes, gone)

    def _changed_pods(self, before: World, now: World) -> tuple[dict[str, core.Pod], dict[str, core.Pod]]:
        """By uid: those that are others now, and those that are no more."""
        touched: dict[str, core.Pod] = {}
        gone: dict[str, core.Pod] = {}
        for (namespace, name), (old, new) in changes(before.all(core.Pod), now.all(core.Pod)).items():
            if old is not None and has_link(old):
                gone[old.metadata.uid] = old
                del self._linked[namespace][name]
            if new is not None and has_link(new):
                touched[new.metadata.uid] = new
                self._linked.setdefault(namespace, {})[name] = new
        return touched, {uid: pod for uid, pod in gone.items() if uid not in touched}

    def _changed_services(self, before: World, now: World, ports: Mapping[str, PortsSaid]) -> Iterator[core.Service]:
        """Services, as they were and as they are, of which something changed that their pods are translated with."""
        for key, (old, new) in changes(before.all(core.Service), now.all(core.Service)).items():
            if old is not None:
                self._services.drop(key)
                yield old
            if new is not None:
                self._services.put(new)
                yield new
        for name in changes(self._ports, ports):
            namespace, _, service = name.partition("/")
            found = now.get(core.Service, namespace, service)
            if found is not None:
                yield found

    def _limited_anew(self, now: World, limits: Limits) -> Iterator[core.Service]:
        """Services at whose pods something else is counted than before."""
        before = self._limits.services
        for key in before.keys() | limits.services.keys() if limits is not self._limits else ():
            found = now.get(core.Service, *key)
            if found is not None and before.get(key) != limits.services.get(key):
                yield found

    def _changed_selectors(
        self, before: World, now: World, scoped: tuple[Scoped[Any], ...]
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Where something changed that some pods of the namespace are translated with, and their labels."""
        for was, one in zip(self._scoped, scoped, strict=bool(self._scoped)):
            yield from one.differing(was) if one is not was else ()
        for pair in changes(before.all(PeerAuthentication), now.all(PeerAuthentication)).values():
            yield from ((p.metadata.namespace, selected_by(p)) for p in pair if p is not None)

    def _changed_namespaces(self, before: World, now: World, said: tuple[Said, ...]) -> Iterable[str]:
        """Where something changed that all pods of the namespace are translated with."""
        found = set(changes(before.namespace_labels, now.namespace_labels))
        rules: set[str] = set()
        for was, one in zip(self._said, said, strict=bool(self._said)):
            rules |= one.differing(was) if one is not was else set()
        rules |= {n for n, _ in changes(before.all(Sidecar), now.all(Sidecar))}
        rules |= {n for n, _ in changes(before.all(Telemetry), now.all(Telemetry))}
        rules |= {n for (n, name) in changes(before.all(core.ConfigMap), now.all(core.ConfigMap)) if name == MESH}
        return tuple(self._linked) if self._options.root_namespace in rules else found | rules
