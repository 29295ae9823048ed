"""Moves Canaries on: what nodes have counted, and what they have in force -> `cluster/canary` -> status.

In: control. Out: status of Canaries, and their commands taken away. What is remembered here is only what was counted at
the beginning of the interval that is under way: whoever begins anew begins that interval anew, and nothing else. Each
status is written for the version of the object that it was made from, so that nothing is ever decided twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import msgspec
import structlog

from tandem.base.cell import any_newer
from tandem.base.clock import Clock, parse_rfc3339
from tandem.base.memo import same_as_before
from tandem.cluster.canary.judge import NO_ENDPOINTS, TOO_FEW, Judgement, Outcome, deserted, judge
from tandem.cluster.canary.rollout import EXPECTED, Known, advance
from tandem.cluster.canary.window import Heard, Window, counted
from tandem.ingest.errors import ApiError
from tandem.ir.traffic import TrafficPolicy
from tandem.model.canary import COMMAND, ENDED, Canary, CanaryStatus
from tandem.model.kinds import BY_KIND
from tandem.model.said import say
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.world import Key
from tandem.runtime.control import Control
from tandem.translate.canaries import canaries_of, of_connections
from tandem.translate.mesh.canary_plans import version_names
from tandem.translate.slices import serving
from tandem.translate.world import Translation

log = structlog.get_logger(__name__)
LOOK: Final = 0.25
"""Seconds from one look to the next."""
REFUSED: Final = "Refused"
"""Reason where the Canary is not applied: then nothing is sent to the new version."""
PATIENCE: Final = 3.0
"""Seconds after the end of an interval in which nodes that are slow are still waited for."""


class CanaryLoop:
    """One per control."""

    def __init__(self, control: Control, clock: Clock) -> None:
        self._control = control
        self._clock = clock
        self._heard: dict[str, Heard] = {}
        self._windows: dict[Key, Window] = {}
        self._absent: dict[Key, float] = {}
        """Since when a new version that gets requests has had no ready endpoint."""
        self._steps: dict[Key, tuple[str, float]] = {}
        """When a step began: as its status says it, and by the clock that nobody sets."""
        self._written: dict[Key, int] = {}
        """The version that our own write made: until the World shows it, it shows something older."""

    async def run(self) -> None:
        """Until cancelled."""
        seen = -1
        while True:
            await any_newer((self._control.translation, seen), seconds=LOOK)
            seen = self._control.translation.version
            await self.settle()

    async def settle(self) -> None:
        """Look at each Canary once."""
        translation = self._control.translation.value
        if translation is None:
            return
        self._listen()
        canaries = self._control.translated.all(Canary)
        self._windows = {key: window for key, window in self._windows.items() if key in canaries}
        self._written = {key: version for key, version in self._written.items() if key in canaries}
        self._steps = {key: step for key, step in self._steps.items() if key in canaries}
        self._absent = {key: since for key, since in self._absent.items() if key in canaries}
        for key, canary in sorted(canaries.items()):
            if int(canary.metadata.resource_version) >= self._written.get(key, 0):
                await self._look(key, canary, translation)

    def _listen(self) -> None:
        """Note when each node was heard; one that is away has not told everything of any window."""
        now, told = self._clock.monotonic(), self._control.reports.tallies
        for node, tallies in told.items():
            before = self._heard.get(node)
            if before is None or before.tallies is not tallies:
                self._heard[node] = Heard(tallies=tallies, at=now)
        away = self._heard.keys() - told.keys()
        for node in away:
            del self._heard[node]
        self._windows = {key: window.without(away) for key, window in self._windows.items()}

    async def _look(self, key: Key, canary: Canary, translation: Translation) -> None:
        obstacle = self._obstacle(canary)
        ready = _ready(canary, translation)
        missed = self._missed(key, canary, ready=ready or (obstacle is not None and obstacle[0] == REFUSED))
        known = Known(
            ready=ready,
            obstacle=obstacle,
            judgement=missed or self._judge(key, canary, translation, obstacle),
            what=_what(translation, key),
            elapsed=self._elapsed(key, canary),
        )
        wanted = advance(canary, known, self._clock.now())
        if wanted != canary.status and not await self._write(key, canary, wanted):
            return
        asked = canary.metadata.annotations.get(COMMAND)
        if asked and wanted == canary.status and asked == wanted.command:
            await self._take_away(key, canary)
        if (wanted.revision, wanted.step, wanted.weight) != _place(canary.status):
            self._windows.pop(key, None)
        elif known.judgement is not None:
            self._go_on(key, known.judgement)

    def _elapsed(self, key: Key, canary: Canary) -> float:
        """Seconds since the step began. The wall clock tells of what was before this control, and of nothing else."""
        started, now = canary.status.step_started, self._clock.monotonic()
        if self._steps.get(key, ("",))[0] != started:
            before = max(self._clock.now() - parse_rfc3339(started), 0.0) if started else 0.0
            self._steps[key] = started, now - before
        return now - self._steps[key][1] if started else 0.0

    def _go_on(self, key: Key, judgement: Judgement) -> None:
        """After the end of a window: another one, or the same until there are requests enough."""
        if judgement.reason == TOO_FEW:
            self._windows[key] = replace(self._windows[key], short=True)
        else:
            self._windows.pop(key, None)
        if judgement.reason == NO_ENDPOINTS:
            self._absent.pop(key, None)

    def _missed(self, key: Key, canary: Canary, *, ready: bool) -> Judgement | None:
        """At the end of each interval in which requests had nobody to go to, however few they were."""
        now, interval = self._clock.monotonic(), canary.spec.analysis.interval
        if ready or not canary.weight or canary.status.phase in ENDED:
            self._absent.pop(key, None)
            return None
        if now < self._absent.setdefault(key, now) + milliseconds(interval) / 1000:
            return None
        return deserted(interval)

    def _judge(
        self, key: Key, canary: Canary, translation: Translation, obstacle: tuple[str, str] | None
    ) -> Judgement | None:
        """Of the interval that has ended, if one has; where requests are too few, it goes on until there are enough."""
        window = self._window(key, canary, clean=obstacle is None)
        if window is None:
            return None
        now, clients = self._clock.monotonic(), _clients(translation, key)
        until = window.since + milliseconds(canary.spec.analysis.interval) / 1000
        heard = all(node in self._heard and self._heard[node].at >= until for node in clients)
        if now < until or (not heard and now < until + PATIENCE):
            return None
        names = (f"{key[0]}/{key[1]}", *version_names(canary))
        known = counted(window, self._heard, clients, until=until, names=names)
        found = judge(canary.spec.analysis, known, what=_what(translation, key))
        if found.outcome is Outcome.GOOD and obstacle is not None:
            reason, message = obstacle
            return msgspec.structs.replace(found, outcome=Outcome.NO_DATA, reason=reason, message=message)
        return None if found.reason == TOO_FEW and window.short else found

    def _window(self, key: Key, canary: Canary, *, clean: bool) -> Window | None:
        """The one that is under way; None where the canary gets no requests, or what it got is judged.

        One in which something was in the way begins anew when nothing is: until then only what is bad counts.
        """
        if not canary.weight or canary.status.phase in ENDED:
            self._windows.pop(key, None)
            return None
        window = self._windows.get(key)
        if window is None or (clean and not window.clean):
            first = {node: heard.tallies for node, heard in self._heard.items()}
            window = self._windows[key] = Window(since=self._clock.monotonic(), first=first, clean=clean)
        elif window.clean and not clean:
            window = self._windows[key] = replace(window, clean=False)
        return window

    def _obstacle(self, canary: Canary) -> tuple[str, str] | None:
        key = canary.kind, *canary.key
        if errors := self._control.errors_of(key):
            return REFUSED, "; ".join(errors)
        verdict = self._control.ledger.verdict(key)
        if verdict is None:
            return "NoClients", "no node has a pod in the mesh, or a gateway, that could ask"
        return None if verdict.ok else ("NotInForce", verdict.message)

    async def _write(self, key: Key, canary: Canary, wanted: CanaryStatus) -> bool:
        before, now = (_json(status) for status in (canary.status, wanted))
        changed = {name: now.get(name) for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
        if not await self._patch(key, canary, {"status": changed}, subresource="status"):
            return False
        for event in wanted.history:
            if event not in canary.status.history:
                log.info("canary", namespace=key[0], name=key[1], **msgspec.to_builtins(event))
                warning = event.reason not in EXPECTED
                self._control.events.tell(say(canary, event.reason, event.message, warning=warning))
        return True

    async def _take_away(self, key: Key, canary: Canary) -> None:
        await self._patch(key, canary, {"metadata": {"annotations": {COMMAND: None}}}, subresource="")

    async def _patch(self, key: Key, canary: Canary, body: dict[str, Any], *, subresource: str) -> bool:
        version = {"resourceVersion": canary.metadata.resource_version}
        body = {**body, "metadata": {**body.get("metadata", {}), **version}}
        try:
            answer = await self._control.client.patch(BY_KIND["Canary"], *key, body, subresource=subresource)
        except ApiError as err:  # somebody has changed it meanwhile: the next look sees how
            log.debug("canary not written", namespace=key[0], name=key[1], reason=err.message)
            return False
        self._written[key] = int(answer["metadata"]["resourceVersion"])
        return True


def _json(status: CanaryStatus) -> dict[str, Any]:
    """What is written of it: the conditions are written by others; a weight of 0 says more than none."""
    found: dict[str, Any] = msgspec.to_builtins(status)
    found.pop("conditions", None)
    return {**found, "weight": status.weight} if status.revision else found


def _place(status: CanaryStatus) -> tuple[str, int, int]:
    return status.revision, status.step, status.weight


def _clients(translation: Translation, canary: Key) -> frozenset[str]:
    """The nodes from which requests come: those with pods of the mesh; where it divides what gateways get, theirs."""
    mesh, edge = _nodes(translation)
    return mesh | edge if canary in _at_gateways(translation.edge) else mesh


@same_as_before
def _nodes(translation: Translation) -> tuple[frozenset[str], frozenset[str]]:
    mesh = frozenset(str(translation.pod_nodes[uid]) for uid, pod in translation.pods.items() if pod.meshed)
    return mesh, serving(translation)


_at_gateways: Final = same_as_before(canaries_of)
_of_connections: Final = same_as_before(of_connections)


def _what(translation: Translation, canary: Key) -> str:
    return "connections" if canary in _of_connections(translation.mesh, translation.edge) else "requests"


def _ready(canary: Canary, translation: Translation) -> bool:
    service, subset = canary.version(canary.spec.canary)
    name = f"{canary.metadata.namespace}/{service}"
    members = translation.endpoints.get(name)
    labels = _labels(translation.mesh.policies.get(name), subset)
    return members is not None and any(labels <= set(e.labels) for e in members.endpoints)


def _labels(policy: TrafficPolicy | None, subset: str) -> set[tuple[str, str]]:
    return next((set(s.labels) for s in (policy.subsets if policy else ()) if s.name == subset), set())
