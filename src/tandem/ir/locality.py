"""Where nodes and endpoints are, and what that has to do with who gets requests (Istio's localityLbSetting)."""

from __future__ import annotations

from typing import Final

import msgspec


class Locality(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, order=True):
    """Of a node or an endpoint. A part that is not known is empty."""

    region: str = ""
    zone: str = ""
    subzone: str = ""

    def distance(self, other: Locality) -> int:
        """0 in the same subzone, 1 in the same zone, 2 in the same region, 3 in another; unknown parts are equal."""
        if self.region != other.region:
            return 3
        if self.zone != other.zone:
            return 2
        return 0 if self.subzone == other.subzone else 1

    def covers(self, other: Locality) -> bool:
        """As a pattern, whose empty parts stand for anything."""
        return all(
            mine in {"", its}
            for mine, its in ((self.region, other.region), (self.zone, other.zone), (self.subzone, other.subzone))
        )

    def __str__(self) -> str:
        parts = (self.region, self.zone, self.subzone)
        return "/".join(parts).rstrip("/") or "nowhere"


NOWHERE: Final = Locality()


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """Localities that a pattern covers get this part of 100 together."""

    to: Locality
    percent: int


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """How requests of clients that `clients` covers are shared out; what no portion covers gets nothing."""

    clients: Locality
    portions: tuple[Portion, ...]


class Failover(msgspec.Struct, frozen=True, kw_only=True):
    """From which region clients turn to which one, where theirs has nobody left."""

    region: str
    to: str


class Preference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Endpoints with this label come first; `value` None: the value that the client's node has."""

    label: str
    value: str | None = None


class LocalityBalancing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first of `distribute` that covers the client decides; without any, the nearest endpoints come first.

    How near one is, `preferences` say, in their order, and then `failover`; without preferences the localities.
    """

    enabled: bool = True
    distribute: tuple[Distribution, ...] = ()
    failover: tuple[Failover, ...] = ()
    preferences: tuple[Preference, ...] = ()
    always: bool = False
    """Also where no outlier detection would ever turn a proxy away from the nearest ones."""


def locality_of(text: str) -> Locality:
    """`REGION/ZONE/SUBZONE`, of which the last ones may be missing."""
    region, _, rest = text.partition("/")
    zone, _, subzone = rest.partition("/")
    return Locality(region=region, zone=zone, subzone=subzone)
