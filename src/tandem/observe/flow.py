"""Flow: one connection, request or dropped packet: who, whom, verdict, and the rule that decided."""

from __future__ import annotations

from enum import Enum

import msgspec

from tandem.base.problems import Origin


class Verdict(Enum):
    """What became of it. ERROR: allowed by policy, but it failed (no endpoint, timeout, 5xx from the proxy).

    STAGED: it went on, and a staged policy would have denied it.
    """

    ALLOWED = "allowed"
    DENIED = "denied"
    ERROR = "error"
    STAGED = "staged"


class Layer(Enum):
    """Which of the two layers decided."""

    L4 = "L4"
    L7 = "L7"


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One end of a flow, as far as it is known."""

    address: str = ""
    port: int = 0
    namespace: str = ""
    pod: str = ""
    service: str = ""
    """`namespace/name` of the Service that was dialled (destination only)."""
    identity: str = ""
    container: str = ""
    """The runtime's id of a container on the node that no Pod describes."""


class Http(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The request and its answer, without headers or bodies."""

    method: str = ""
    path: str = ""
    authority: str = ""
    code: int = 0
    grpc: str = ""
    """gRPC's status by name, of gRPC requests."""
    flags: str = ""
    """Envoy's response flags (UF, UH, NR, …)."""
    duration_ms: int = 0
    request_id: str = ""


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record behind `tandem flows`; its JSON is a documented, stable contract."""

    time: float
    node: str
    verdict: Verdict
    layer: Layer
    protocol: str
    """TCP, UDP, SCTP, ICMP, or HTTP."""
    source: Party
    destination: Party
    reporter: str
    """kernel, source or destination: who saw it."""
    direction: str = ""
    """ingress or egress: which side's rules decided (denied and staged flows)."""
    reason: str = ""
    """One sentence for people."""
    rules: tuple[Origin, ...] = ()
    """The rules that decided: of a denied packet the rule, or the policies that isolate the pod and do not allow it."""
    audited: tuple[Origin, ...] = ()
    """The rule of an AUDIT policy that holds for it, whatever became of it."""
    tls: bool = False
    upstream: str = ""
    """address:port that the proxy chose."""
    http: Http | None = None
