"""spec.counter of a RateLimit -> who is asked to count, with Problems. Pure.

Where nobody can be asked, requests are refused as if nobody answered, unless the object lets them pass then.
"""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Problem
from tandem.ir.fabric import AppProtocol
from tandem.ir.limits import Counter
from tandem.model.core import Service
from tandem.model.gateway import BackendObject
from tandem.model.ratelimit import LimitCounter, RateLimit
from tandem.model.schemas.rules_gateway import milliseconds
from tandem.model.world import World
from tandem.translate.grants import Referrer, Target, permitted
from tandem.translate.protocols import app_protocol

TIMEOUT_MS: Final = 100
GROUP: Final = "tandem.io"


def read_counter(world: World, policy: RateLimit, asked: LimitCounter) -> tuple[Counter, tuple[Problem, ...]]:
    """Who counts, and why it cannot be asked."""
    ref = asked.backend_ref
    namespace = ref.namespace or policy.metadata.namespace
    base = {"domain": asked.domain, "fail_open": asked.on_failure == "Allow"}
    timeout = milliseconds(asked.timeout) or TIMEOUT_MS
    wrong = _mistake(world, policy, ref, namespace)
    if wrong is None:
        port = ref.port or 0
        return Counter(namespace=namespace, service=ref.name, port=port, timeout_ms=timeout, **base), ()  # type: ignore[arg-type]
    then = "nothing is counted" if asked.on_failure == "Allow" else "every request that would be counted is refused"
    problem = Problem(at=policy.origin("spec.counter.backendRef"), code=wrong[0], text=f"{wrong[1]}: {then}")
    return Counter(timeout_ms=timeout, **base), (problem,)  # type: ignore[arg-type]


def _mistake(world: World, policy: RateLimit, ref: BackendObject, namespace: str) -> tuple[str, str] | None:
    where = f"Service {namespace}/{ref.name}"
    if (ref.group, ref.kind) != ("", "Service"):
        return "InvalidKind", f"{ref.group}/{ref.kind} is no Service"
    who = Referrer(group=GROUP, kind=policy.kind, namespace=policy.metadata.namespace)
    if not permitted(world, who, Target(kind="Service", namespace=namespace, name=ref.name)):
        return "RefNotPermitted", f"{where} is in another namespace and no ReferenceGrant allows it"
    service = world.get(Service, namespace, ref.name)
    port = next((p for p in service.spec.ports if p.port == ref.port), None) if service is not None else None
    if port is None:
        return "BackendNotFound", f"no {where} with port {ref.port}"
    if app_protocol(port) not in {AppProtocol.GRPC, AppProtocol.HTTP2}:
        return "UnsupportedProtocol", f"port {ref.port} of {where} is no gRPC: set its appProtocol, or name it grpc-…"
    return None
