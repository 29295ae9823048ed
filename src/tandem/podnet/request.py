"""What the courier sent -> Request; and VerbError, the failures that the runtime is told of.

The courier has checked the form of environment and configuration (`tandem_cni`); here they get their meaning.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import msgspec
from tandem_cni.checks import check_config, check_environment
from tandem_cni.wire import CniError

from tandem.base.ids import ContainerId, PodUid
from tandem.ipam.journal import Key

TRACE: Final = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
"""Variables of W3C Trace Context that a runtime may send."""
NO_CONTAINER: Final = ContainerId("")
"""GC and STATUS are about no container."""


class Code(IntEnum):
    """CNI error codes; those from 100 on are our own."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED = 2
    UNKNOWN_CONTAINER = 3
    """The runtime needs not call DEL."""
    BAD_ENVIRONMENT = 4
    BAD_JSON = 6
    BAD_CONFIG = 7
    BAD_NETNS = 8
    TRY_AGAIN = 11
    NOT_AVAILABLE = 50
    DEGRADED = 51
    ALREADY_ATTACHED = 100
    POOL_FULL = 101
    DIFFERS = 103
    ADDRESS_REFUSED = 104
    PORT_TAKEN = 105
    ADDRESS_LIVE = 106
    INTERNAL = 999


class VerbError(Exception):
    """A verb failed; the runtime gets code, one sentence, and details."""

    def __init__(self, code: Code, msg: str, details: str = "") -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.details = details

    def answer(self) -> dict[str, Any]:
        """As it goes over the socket."""
        return {"code": int(self.code), "msg": self.msg, "details": self.details}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef:
    """Which pod a sandbox is for, in the runtime's words (CNI_ARGS); `uid` may be empty."""

    uid: PodUid
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One verb with its environment and configuration."""

    verb: str
    container_id: ContainerId = NO_CONTAINER
    ifname: str = ""
    netns: str = ""
    args: str = ""
    trace: Mapping[str, str] = field(default_factory=dict)
    """TRACEPARENT, TRACESTATE and BAGGAGE, as far as the runtime sent them."""
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The attachment it is about."""
        return self.container_id, self.ifname

    @property
    def version(self) -> str:
        """The CNI version to answer in."""
        return str(self.config.get("cniVersion", "1.1.0"))


class _Wire(msgspec.Struct):
    verb: str
    env: dict[str, str] = {}
    config: dict[str, Any] = {}
    unchecked: bool = False
    """It came by the courier's quick way, which looks at nothing."""


class _Valid(msgspec.Struct):
    container_id: str = msgspec.field(name="containerID")
    ifname: str


def parse(data: bytes) -> Request:
    """One request off the socket; raises VerbError."""
    # By the quick way it is put together of bytes: the configuration must be one object also without what is around it.
    head, key, config = data.partition(b'"config":')
    quick = b'"unchecked":true' in head
    try:
        wire = msgspec.json.decode(head + key + b"{}}" if quick else data, type=_Wire)
        wire.config = msgspec.json.decode(config[:-1], type=dict[str, Any]) if quick else wire.config
    except (msgspec.DecodeError, RecursionError) as error:
        raise VerbError(Code.BAD_JSON, "request from tandem-cni cannot be read", str(error)) from None
    if wire.unchecked:
        try:
            check_environment({**wire.env, "CNI_COMMAND": wire.verb})
            check_config(wire.verb, wire.config)
        except CniError as error:
            raise VerbError(Code(error.code), error.msg, error.details) from None
    return Request(
        verb=wire.verb,
        container_id=ContainerId(wire.env.get("CNI_CONTAINERID", "")),
        ifname=wire.env.get("CNI_IFNAME", ""),
        netns=wire.env.get("CNI_NETNS", ""),
        args=wire.env.get("CNI_ARGS", ""),
        trace={name: wire.env[name] for name in TRACE if name in wire.env},
        config=wire.config,
    )


def ip_address(path: str, value: Any) -> str:
    """An address in canonical form; raises VerbError with the path of the value."""
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))  # a number would be taken for one
    except ValueError:
        raise VerbError(Code.BAD_CONFIG, f"{path}: an IP address, not {value!r}") from None


def arguments(args: str) -> dict[str, str]:
    """CNI_ARGS (`K=V;K=V`) as a mapping; raises VerbError."""
    pairs = [part.partition("=") for part in args.split(";") if part]
    if wrong := next((key + equals for key, equals, _ in pairs if not key or not equals), ""):
        raise VerbError(Code.BAD_ENVIRONMENT, f"CNI_ARGS: {wrong!r} is no KEY=VALUE", args)
    return {key: value for key, _, value in pairs}


def pod_ref(args: str) -> PodRef:
    """The pod named by CNI_ARGS (`K=V;K=V`), as containerd and cri-o send it; raises VerbError."""
    pairs = arguments(args)
    namespace, name = pairs.get("K8S_POD_NAMESPACE", ""), pairs.get("K8S_POD_NAME", "")
    if not namespace or not name:
        raise VerbError(
            Code.BAD_ENVIRONMENT, f"CNI_ARGS must hold K8S_POD_NAMESPACE and K8S_POD_NAME to name a pod, not {args!r}"
        )
    return PodRef(uid=PodUid(pairs.get("K8S_POD_UID", "")), namespace=namespace, name=name)


def valid_attachments(config: Mapping[str, Any]) -> frozenset[Key] | None:
    """What GC must keep; None when the runtime did not say, which must remove nothing. Raises VerbError.

    A list that is read wrong would be one of fewer attachments, and GC takes away what is not in it.
    """
    name = next((name for name in ("cni.dev/valid-attachments", "cni.dev/attachments") if name in config), "")
    if not name:
        return None
    try:
        found = msgspec.convert(config[name], list[_Valid] | None) or ()
    except msgspec.ValidationError as error:
        raise VerbError(Code.BAD_CONFIG, f"{name}: a list of containerID and ifname", str(error)) from None
    return frozenset((ContainerId(one.container_id), one.ifname) for one in found)
