"""Where a pod's proxy delivers."""

from __future__ import annotations

from tandem.ir.delivery import AS_DIALLED, Arrival, Delivery, Room
from tandem.ir.traffic import Limits


def test_a_port_goes_its_own_way_for_its_target_or_its_room() -> None:
    few = Room(limits=Limits(connections=1))
    made = Delivery(arrivals=(Arrival(port=80, target=8080),), ports=((90, few),), room=Room(connect_ms=5))
    assert made.apart == (80, 90)
    assert (made.room_at(90), made.room_at(80), made.room_at(0)) == (few, made.room, made.room)
    assert (made.arrival_at(80), made.arrival_at(90)) == (Arrival(port=80, target=8080), None)
    assert AS_DIALLED.apart == ()
