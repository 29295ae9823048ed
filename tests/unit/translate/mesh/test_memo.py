"""Objects that are read again only when something that was looked up for them is another."""

from __future__ import annotations

from builders import service
from meshworlds import dr, httproute, parent, to, vs
from tandem.model.gateway import HTTPRoute
from tandem.model.istio import VirtualService
from tandem.model.kept import Kept
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import Memos, translate_mesh
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.httproute import accept_httproute
from tandem.translate.mesh.istio.virtualservice import Said, read_virtualservice
from tandem.translate.mesh.layers import One
from tandem.translate.mesh.memo import Memo
from tandem.translate.options import Options

OPTIONS = Options()
V1 = [{"name": "v1", "labels": {"version": "v1"}}]
WEB, DB = service("web"), service("db")
ROUTED = vs("web", hosts=["web"], http=[{"route": [to("web", "v1")]}])
OTHER = vs("db", hosts=["db"], http=[{"route": [to("db")]}])
ROOT = vs("root", hosts=["web"], http=[{"match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "part"}}])
PART = vs("part", http=[{"route": [to("db")]}])


class Translated:
    """Routing from World to World, and which objects were read for the newest one; it is always that of the whole."""

    def __init__(self, *objects: Object) -> None:
        self.read: list[str] = []
        self._memo = Memos()
        self._memo.virtual, self._memo.http = Memo(self._counted), Memo(self._counted_route)
        self._kept = Kept(translate_mesh)
        self.world = World.of(objects)
        self.go_on()

    def _counted(self, source: VirtualService, context: Context) -> Said:
        self.read.append(source.metadata.name)
        return read_virtualservice(source, context)

    def _counted_route(self, source: HTTPRoute, context: Context) -> One:
        self.read.append(source.metadata.name)
        return accept_httproute(source, context)

    def go_on(self, **changed: Object | None) -> list[str]:
        """`changed`: by kind, the object that is new or another."""
        for kind, obj in changed.items():
            assert obj is not None
            self.world = self.world.with_changes(kind, {obj.key: obj}, synced=True)
        self.read = []
        assert self._kept(self.world, OPTIONS, self._memo) == translate_mesh(self.world, OPTIONS)
        return sorted(self.read)


def test_an_object_that_changed_is_read_and_no_other() -> None:
    seen = Translated(WEB, DB, ROUTED, OTHER)
    assert sorted(seen.read) == ["db", "web"]
    edited = vs("db", hosts=["db"], http=[{"route": [to("db")], "timeout": "1s"}])
    assert seen.go_on(VirtualService=edited) == ["db"]
    assert seen.go_on() == []


def test_a_service_a_subset_or_a_delegate_that_changed_has_those_read_that_name_it() -> None:
    seen = Translated(WEB, DB, service("cache"), ROUTED, OTHER)
    assert seen.go_on(Service=service("db", ports=[{"name": "other", "port": 81}])) == ["db"]
    assert seen.go_on(DestinationRule=dr("web", host="web", subsets=V1)) == ["web"]
    assert seen.go_on(DestinationRule=dr("cache", host="cache")) == []
    parts = Translated(WEB, DB, ROOT, PART, OTHER)
    assert parts.go_on(VirtualService=vs("part", http=[{"route": [to("web")]}])) == ["part", "root"]


def test_what_was_looked_up_for_a_kept_object_still_counts_for_the_whole() -> None:
    seen = Translated(WEB, ROUTED, OTHER)
    assert seen.go_on(DestinationRule=dr("web", host="web", subsets=V1)) == ["web"]
    assert seen.go_on(Service=DB) == ["db"]


def test_a_route_of_the_gateway_api_that_changed_is_read_and_no_other() -> None:
    def routed(name: str, path: str = "/") -> Object:
        rules = [
            {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": [{"name": name, "port": 80}]}
        ]
        return httproute(name=name, parentRefs=[parent(name)], rules=rules)

    seen = Translated(WEB, DB, routed("web"), routed("db"), OTHER)
    assert sorted(seen.read) == ["db", "db", "web"]
    assert seen.go_on(HTTPRoute=routed("db", "/new")) == ["db"]
    assert seen.go_on() == []
    assert seen.go_on(Service=service("web", ports=[{"name": "other", "port": 81}])) == ["web"]
