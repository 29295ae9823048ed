"""The client's end of a delta-xDS subscription across reconnects, sans-IO: responses in, requests and updates out.

The caller answers an Update when the kernel and Envoy have it, perhaps much later and perhaps after a reconnect. Only
what was acknowledged is reported as held at that version after a reconnect; what was delivered and not acknowledged
is reported with a version that matches nothing, so that the server sends it again, or removes it if it is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tandem.drivers.xds.errors import format_errors
from tandem.drivers.xds.messages import Request, Response

_UNSETTLED: Final = "?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What the server sent of one type; to be answered once, by `ack` or `nack` with this nonce."""

    type_url: str
    resources: Mapping[str, tuple[str, bytes]]
    """Name -> (version, value)."""
    removed: tuple[str, ...]
    nonce: str


class ClientSession:
    """Wildcard subscriptions to `types`; `node` names this client."""

    def __init__(self, node: str, types: Iterable[str]) -> None:
        self._node = node
        self._held: dict[str, dict[str, str]] = {url: {} for url in types}
        self._waiting: dict[str, Update] = {}
        self._answered: set[str] = set()
        self._stream = 0

    @property
    def synced(self) -> bool:
        """True after every type was answered once."""
        return len(self._answered) == len(self._held)

    def on_connect(self) -> list[Request]:
        """The first requests of a new stream."""
        self._stream += 1
        return [
            Request(type_url=url, subscribe=("*",), initial_versions=dict(held), node=self._node)
            for url, held in self._held.items()
        ]

    def on_response(self, response: Response) -> Update | None:
        """What the server sent, to be applied; None if it is of a type that nobody asked for."""
        held = self._held.get(response.type_url)
        if held is None:
            return None
        self._answered.add(response.type_url)
        update = Update(
            type_url=response.type_url,
            resources={r.name: (r.version, r.value) for r in response.resources},
            removed=response.removed,
            nonce=f"{self._stream}/{response.nonce}",
        )
        _unsettle(held, update)
        self._waiting[update.nonce] = update
        return update

    def ack(self, nonce: str) -> Request | None:
        """Everything in that update is in force; the message to send, None if its stream is gone."""
        return self._answer(nonce, {})

    def nack(self, nonce: str, errors: Mapping[str, str]) -> Request | None:
        """The named resources of that update are refused, the rest is in force."""
        return self._answer(nonce, errors)

    def _answer(self, nonce: str, errors: Mapping[str, str]) -> Request | None:
        update = self._waiting.pop(nonce, None)
        if update is None:
            return None
        held = self._held[update.type_url]
        for name, (version, _) in update.resources.items():
            if name not in errors and held.get(name) == _UNSETTLED + version:
                held[name] = version
        for name in update.removed:
            held.pop(name, None)
        for later in self._waiting.values():
            if later.type_url == update.type_url:
                _unsettle(held, later)
        stream, _, number = nonce.partition("/")
        if int(stream) != self._stream:
            return None
        error = format_errors(dict(errors)) if errors else None
        return Request(type_url=update.type_url, nonce=number, error=error)


def _unsettle(held: dict[str, str], update: Update) -> None:
    """Delivered and not answered: from now on at a version that matches nothing, a removal too."""
    held.update({name: _UNSETTLED + version for name, (version, _) in update.resources.items()})
    held.update({name: _UNSETTLED for name in update.removed if name in held})
