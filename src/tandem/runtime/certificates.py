"""The loop that has the certificates that this node shows, and the one place from which Envoy gets all secrets.

In: the newest view, and a way to ask control. Out: SDS secrets. Keys are in memory only, and go when nothing on this
node shows their certificate any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from tandem.base.clock import Clock
from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.compile.names import gateway_certificate
from tandem.drivers.ca.keys import Rotation, SecretStore, Sign
from tandem.drivers.edge import certificate_secret
from tandem.drivers.xds.messages import Encoded
from tandem.identity.rotation import renew_at
from tandem.ir.node import NodeView, meshed_pods
from tandem.ir.shown import certificates_needed
from tandem.runtime.views import Views, newest_of

log = structlog.get_logger()

RETRY_SECONDS: Final = 1.0
Pairs = Mapping[str, tuple[str, Secret]]
Ask = Callable[[], Awaitable[Pairs]]


class Secrets:
    """Joins what several sources have for Envoy; nothing is published before the first of them has all of its own."""

    def __init__(self, publish: Callable[[Mapping[str, Encoded]], None]) -> None:
        self._publish = publish
        self._identities: Mapping[str, Encoded] | None = None
        self._certificates: Mapping[str, Encoded] = {}

    def identities(self, secrets: Mapping[str, Encoded]) -> None:
        """Those of pods and gateways as they are in the mesh."""
        self._identities = secrets
        self._publish({**self._certificates, **secrets})

    def certificates(self, secrets: Mapping[str, Encoded]) -> None:
        """Those that gateways show."""
        self._certificates = secrets
        # Before that Envoy keeps what an earlier agent told it.
        if self._identities is not None:
            self._publish({**secrets, **self._identities})


class CertificateLoop:
    """One per agent; `ask` raises DriverError, or ValueError for an answer that is none."""

    def __init__(self, ask: Ask, publish: Callable[[Mapping[str, Encoded]], None]) -> None:
        self._ask = ask
        self._publish = publish
        self._held: dict[str, Encoded] = {}
        self.failed: Mapping[str, str] = {}

    async def run(self, views: Views) -> None:
        """Follow the views; what control does not tell is asked for again."""
        seen = -1
        while True:
            seen, newest = await newest_of(views, seen, retry=RETRY_SECONDS if self.failed else None)
            await self._hold(wanted_by(newest.view))

    async def _hold(self, wanted: frozenset[str]) -> None:
        before = dict(self._held)
        self._held = {name: secret for name, secret in before.items() if name in wanted}
        missing = wanted - self._held.keys()
        if missing:
            await self._obtain(missing)
        if self._held != before:
            self._publish({secret.name: secret for secret in self._held.values()})
        self.failed = {name: f"no certificate {name}" for name in sorted(wanted - self._held.keys())}

    async def _obtain(self, names: frozenset[str]) -> None:
        try:
            pairs = await self._ask()
        except (DriverError, ValueError) as err:
            log.warning("certificates not obtained", names=sorted(names), error=str(err))
            return
        for name in sorted(names & pairs.keys()):
            self._held[name] = certificate_secret(gateway_certificate(name), *pairs[name])


def secret_sources(
    sign: Sign, ask: Ask, publish: Callable[[Mapping[str, Encoded]], None], clock: Clock
) -> tuple[SecretStore, CertificateLoop]:
    """Both sources of what Envoy is told, joined."""
    told = Secrets(publish)
    return SecretStore(sign, told.identities, clock, Rotation(renew_at=renew_at)), CertificateLoop(
        ask, told.certificates
    )


def wanted_by(view: NodeView) -> frozenset[str]:
    """Names of the certificates that the node's gateways and proxies show."""
    namespaces = {attached.pod.namespace for attached in meshed_pods(view.pods)}
    return certificates_needed(view.gateways.values(), view.policies, view.services, namespaces)
