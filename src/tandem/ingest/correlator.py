"""Which Events are to be written of what is said: the same again is counted, no object is told of too often. Sans-IO.

In: what is said, and the time. Out: entries to write, each an Event by name. The name is made of what is said, so the
same said again, by whatever process, is the same Event. The budget of an object is that of Kubernetes' clients: 25
Events at once, and then one in five minutes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from tandem.base.clock import Clock, rfc3339
from tandem.base.digest import digest
from tandem.model.events import NORMAL, WARNING
from tandem.model.meta import RawObject
from tandem.model.said import Said

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
BURST: Final = 25
REFILL_SECONDS: Final = 300.0
REMEMBERED: Final = 4096
"""Events, and objects, of which something is remembered."""
WAITING: Final = 1000
"""Entries that may wait to be written; what comes on top is dropped."""
LONGEST: Final = 1024
_LONGEST_NAME: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One Event, and how often it happened since it was written last."""

    name: str
    said: Said
    times: int
    first: float
    last: float

    @property
    def namespace(self) -> str:
        """Where it is: with the object, or for one of the cluster in `default`."""
        return self.said.about.namespace or "default"

    def patch(self, count: int) -> RawObject:
        """The Event after it happened again, `count` times in all."""
        return {"count": count, "lastTimestamp": rfc3339(self.last)}


class Newest(Generic[K, V]):
    """As many entries as there is room for; the one that was used least recently goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The entry, if it is still there."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep it."""
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget it."""
        self._held.pop(key, None)


class Correlator:
    """One per process that tells."""

    def __init__(self, component: str, host: str, clock: Clock) -> None:
        self._component = component
        self._host = host
        self._clock = clock
        self._waiting: dict[str, Entry] = {}
        self._budgets: Newest[tuple[str, str, str, str], tuple[float, float]] = Newest(REMEMBERED)
        """Object -> what it had left, and when."""
        self.dropped = 0

    def take(self, said: Said) -> bool:
        """Note it; False if that was too often, or too much waits."""
        now, name = self._clock.now(), self._name(said)
        waiting = self._waiting.get(name)
        if waiting is not None:
            self._waiting[name] = replace(waiting, times=waiting.times + 1, last=now)
            return True
        if len(self._waiting) >= WAITING or not self._spend(said):
            self.dropped += 1
            return False
        self._waiting[name] = Entry(name=name, said=said, times=1, first=now, last=now)
        return True

    def next(self) -> Entry | None:
        """The entry that waits longest, which from now on does not wait."""
        name = next(iter(self._waiting), None)
        return self._waiting.pop(name) if name is not None else None

    def back(self, entry: Entry) -> None:
        """It could not be written yet."""
        again = self._waiting.get(entry.name)
        if again is not None:
            entry = replace(entry, times=entry.times + again.times, last=again.last)
        self._waiting = {entry.name: entry, **{n: e for n, e in self._waiting.items() if n != entry.name}}

    def event(self, entry: Entry) -> RawObject:
        """The Event as it is written for the first time."""
        said, about = entry.said, entry.said.about
        reference = {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "fieldPath": about.field_path,
        }
        source = {"component": self._component, "host": self._host}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": entry.name, "namespace": entry.namespace},
            "involvedObject": _given(reference),
            "reason": said.reason,
            "message": said.message[:LONGEST],
            "type": WARNING if said.warning else NORMAL,
            "source": _given(source),
            "firstTimestamp": rfc3339(entry.first),
            "lastTimestamp": rfc3339(entry.last),
            "count": entry.times,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    def _name(self, said: Said) -> str:
        about = said.about
        parts = (about.kind, about.uid, about.field_path, said.reason, said.message, self._component, self._host)
        suffix = f".{digest('/'.join((*parts, str(said.warning))), 16)}"
        return f"{about.name[: _LONGEST_NAME - len(suffix)].rstrip('-.')}{suffix}"

    def _spend(self, said: Said) -> bool:
        about, now = said.about, self._clock.monotonic()
        key = about.kind, about.namespace, about.name, about.uid
        left, since = self._budgets.get(key) or (float(BURST), now)
        left = min(float(BURST), left + (now - since) / REFILL_SECONDS)
        self._budgets.put(key, (left - 1 if left >= 1 else left, now))
        return left >= 1


def _given(fields: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
