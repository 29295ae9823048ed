"""Services of Gateways at the cost of those; that they are as a whole, tests/property/test_controllers.py shows."""

from __future__ import annotations

from builders import service
from gatewayworlds import gateway, gateway_class, listener
from tandem.cluster.live.gatewayservices import LiveGatewayServices
from tandem.model.meta import Object
from tandem.model.world import World
from working import calls_of


def with_object(world: World, obj: Object) -> World:
    return world.with_changes(obj.kind, {obj.key: obj}, synced=True)


def test_a_service_that_is_no_gateways_costs_nothing_however_many_there_are() -> None:
    """That was a look at every Service for each event of whatever kind."""

    def work(count: int) -> int:
        world = with_object(with_object(World(synced=True), gateway_class()), gateway("edge", listener()))
        for number in range(count):
            world = with_object(world, service(f"s{number}"))
        live = LiveGatewayServices()
        live.update(world)
        later = with_object(world, service("s1", ports=[{"port": 81}]))
        return calls_of(lambda: live.update(later))

    assert work(200) <= work(50) + 4
