"""`translate_services`, and what is wrong with subsets, of the Services that changed, or whose slices or pods did."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.base.table import Table, changes
from tandem.ir import fabric
from tandem.ir.traffic import TrafficPolicy
from tandem.model import core
from tandem.model.kept import Kept
from tandem.model.world import Key, World
from tandem.translate.live.problems import Gathered
from tandem.translate.mesh.istio.subsets import problems_of
from tandem.translate.nodes import inner_prefixes
from tandem.translate.options import Options
from tandem.translate.protocols import PortsSaid
from tandem.translate.services import referred, translate_service


class LiveServices:
    """`services` and `endpoints` are those of the newest World."""

    def __init__(self, options: Options, gathered: Gathered) -> None:
        self.services: Table[str, fabric.Service] = Table()
        self.endpoints: Table[str, fabric.Endpoints] = Table()
        self._options = options
        self._gathered = gathered
        self._inner = Kept(inner_prefixes)
        self._prefixes: tuple[str, ...] = ()
        self._before = World()
        self._pods: Mapping[str, fabric.LocalPod] = Table()
        self._said: Mapping[str, PortsSaid] = {}
        self._policies: Mapping[str, TrafficPolicy] = {}
        self._refer: dict[Key, frozenset[str]] = {}
        self._referred: dict[str, set[Key]] = {}

    def update(
        self,
        now: World,
        pods: Mapping[str, fabric.LocalPod],
        said: Mapping[str, PortsSaid],
        policies: Mapping[str, TrafficPolicy],
    ) -> None:
        """Go on to this World, with its translated pods, what is said of ports, and traffic policies."""
        before, self._before = self._before, now
        touched = set(changes(before.all(core.Service), now.all(core.Service)))
        slices = changes(before.slices_by_service, now.slices_by_service)
        touched.update(slices)
        inner = self._inner(now, self._options)
        if inner != self._prefixes:
            touched.update(key for key, one in now.all(core.Service).items() if one.spec.external_ips)
        self._prefixes = inner
        for uid in changes(self._pods, pods):
            touched |= self._referred.get(uid, set())
        touched |= {(s, n) for s, _, n in (key.partition("/") for key in changes(self._said, said))}
        for key in slices:
            self._refers(key, referred(now.slices_by_service.get(key, ())))
        # Of pods without a link, which are not translated, the labels count for subsets too.
        labelled = (self._referred.get(uid, set()) for uid in changes(before.pods_by_uid, now.pods_by_uid))
        for name in {*map("/".join, touched.union(*labelled)), *changes(self._policies, policies)}:
            self._gathered.tell((8, "subsets", name), problems_of(name, policies.get(name), now))
        self._pods, self._said, self._policies = pods, said, policies
        services: dict[str, fabric.Service] = {}
        endpoints: dict[str, fabric.Endpoints] = {}
        gone: list[str] = []
        for key in touched:
            service, name = now.get(core.Service, *key), "/".join(key)
            if service is None:
                gone.append(name)
                self._gathered.tell((5, *key), ())
                continue
            one = translate_service(service, now.slices_by_service.get(key, ()), pods, said=said, inner=inner)
            self._gathered.tell((5, *key), one.problems)
            known, ends = self.services.get(name), self.endpoints.get(name)
            services[name] = known if known is not None and known == one.service else one.service
            endpoints[name] = ends if ends is not None and ends == one.endpoints else one.endpoints
        self.services = self.services.changed(services, gone)
        self.endpoints = self.endpoints.changed(endpoints, gone)

    def _refers(self, key: Key, uids: frozenset[str]) -> None:
        before = self._refer.pop(key, frozenset())
        if uids:
            self._refer[key] = uids
        for uid in before - uids:
            self._referred[uid].discard(key)
            if not self._referred[uid]:
                del self._referred[uid]
        for uid in uids - before:
            self._referred.setdefault(uid, set()).add(key)
