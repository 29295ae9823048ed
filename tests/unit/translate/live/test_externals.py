"""Hosts that are kept up from World to World."""

from __future__ import annotations

from tandem.base.table import Table
from tandem.ir.fabric import Endpoints, Service
from tandem.model.world import World
from tandem.translate.externals import translate_externals
from tandem.translate.live.externals import LiveExternals
from tandem.translate.live.problems import Gathered
from tandem.translate.options import Options
from unit.translate.test_externals import entry

ONE, TWO = entry(endpoints=[{"address": "192.0.2.1"}]), entry(endpoints=[{"address": "192.0.2.2"}])
SERVICES: Table[str, Service] = Table({"shop/web": Service(namespace="shop", name="web", cluster_ips=(), ports=())})
ENDPOINTS: Table[str, Endpoints] = Table()


def test_they_come_change_and_go_as_the_whole_translation_says() -> None:
    live = LiveExternals(Options(), Gathered())
    for objects in ([], [ONE], [TWO], [], [TWO]):
        world = World.of(objects)
        live.update(world, {})
        whole = translate_externals(world, {}, Options())
        assert dict(live.services.over(SERVICES)) == {**SERVICES, **whole.services}
        assert dict(live.endpoints.over(ENDPOINTS)) == dict(whole.endpoints)


def test_what_does_not_change_stays_the_very_same() -> None:
    live = LiveExternals(Options(), Gathered())
    live.update(World.of([ONE]), {})
    before, ends = live.services.over(SERVICES), live.endpoints.over(ENDPOINTS)
    live.update(World.of([TWO]), {})
    assert live.services.over(SERVICES) is before
    assert live.endpoints.over(ENDPOINTS) is not ends
