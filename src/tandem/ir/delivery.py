"""Where a pod's proxy delivers what the pod is sent, and how much of it at a time, where a Sidecar says so."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin
from tandem.ir.traffic import Limits, Pool


class Arrival(msgspec.Struct, frozen=True, kw_only=True, order=True, omit_defaults=True):
    """A port at which the pod is called, and where the application is."""

    port: int
    target: int
    loopback: str = ""
    """Of the application: 127.0.0.1 or ::1; empty: it listens at the pod's own address."""


class Room(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the proxy opens to the application; `connect_ms` 0: it has the time that others say."""

    limits: Limits = Limits()
    pool: Pool = Pool()
    connect_ms: int = 0


AS_MANY = Room()


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one pod. `origins`: what says so."""

    arrivals: tuple[Arrival, ...] = ()
    """By port; at all others the application is where it was dialled."""
    room: Room = AS_MANY
    ports: tuple[tuple[int, Room], ...] = ()
    """That of ports that have their own, by port."""
    origins: tuple[Origin, ...] = ()

    @property
    def apart(self) -> tuple[int, ...]:
        """Ports that do not go the way of all others."""
        return tuple(sorted({*(a.port for a in self.arrivals), *(port for port, _ in self.ports)}))

    def room_at(self, port: int) -> Room:
        """At a port; 0: at all others."""
        return dict(self.ports).get(port, self.room)

    def arrival_at(self, port: int) -> Arrival | None:
        """Where the application is, if not where it was dialled."""
        return next((arrival for arrival in self.arrivals if arrival.port == port), None)


AS_DIALLED = Delivery()
