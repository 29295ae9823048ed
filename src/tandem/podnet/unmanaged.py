"""Containers that no Pod of the API describes (`ctr run --cni`, podman): how they are attached, and what judges them.

In: CNI_ARGS and the plugin's configuration. Out: a LocalPod outside of every namespace, and the policy of closed ones.
No Pod has an empty namespace: that is what marks such a workload everywhere (docs/design/0009).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Final

import msgspec

from tandem.base.digest import digest
from tandem.base.ids import ContainerId, PodUid, PolicySetId, SpiffeId
from tandem.base.problems import Origin
from tandem.ipam.journal import Attachment
from tandem.ir.fabric import LocalPod
from tandem.ir.node import NodeView
from tandem.ir.policy import PolicySet, Side
from tandem.podnet.request import Code, Request, VerbError, arguments

KEY: Final = "unmanaged"
"""Where the plugin's configuration says what becomes of them."""


class Unmanaged(Enum):
    """`open`: as a pod without policies. `closed`: no connection begins, either way. `refuse`: ADD gives code 4."""

    OPEN = "open"
    CLOSED = "closed"
    REFUSE = "refuse"


def is_unmanaged(request: Request) -> bool:
    """True if the runtime names no Pod; podman sends K8S_POD_NAME with the container's name, and no namespace."""
    return not arguments(request.args).get("K8S_POD_NAMESPACE")


def closed_by(request: Request) -> str:
    """The network whose configuration closes the container, empty if it stays open; VerbError where it refuses it."""
    word = request.config.get(KEY, Unmanaged.OPEN.value)
    match next((way for way in Unmanaged if way.value == word), None):
        case None:
            known = ", ".join(way.value for way in Unmanaged)
            raise VerbError(Code.BAD_CONFIG, f"{KEY}: {word!r} is none of {known}")
        case Unmanaged.REFUSE:
            what = "CNI_ARGS must hold K8S_POD_NAMESPACE and K8S_POD_NAME to name a pod"
            raise VerbError(Code.BAD_ENVIRONMENT, f'{what}: the configuration says "{KEY}": "refuse"', request.args)
        case Unmanaged.CLOSED:
            return str(request.config["name"])
        case Unmanaged.OPEN:
            return ""


def workload(request: Request) -> LocalPod:
    """The container as something that the node can enforce; raises VerbError where the configuration refuses it."""
    name = arguments(request.args).get("K8S_POD_NAME") or request.container_id
    return _pod(request.container_id, name, closed=closed_by(request))


def of_attachment(attachment: Attachment) -> LocalPod | None:
    """The same from the journal; None for a Pod."""
    if attachment.namespace:
        return None
    return _pod(attachment.container_id, attachment.pod_name, closed=attachment.closed_by)


def with_closed(view: NodeView, networks: Iterable[str]) -> NodeView:
    """The view with the policy of networks that close their unmanaged workloads: no rule, and whose word it is."""
    sets = {s.id: s for network in networks if network for s in _sets(network)}
    return msgspec.structs.replace(view, sets={**view.sets, **sets}) if sets else view


def _sets(network: str) -> Iterator[PolicySet]:
    origin = Origin(kind="NetworkConfiguration", name=network, path=KEY)
    for side in Side:
        yield PolicySet(id=_set_id(network, side), side=side, rules=(), isolated_by=(origin,))


def _pod(container: ContainerId, name: str, *, closed: str) -> LocalPod:
    return LocalPod(
        uid=PodUid(f"{KEY}/{container}"),
        namespace="",
        name=name,
        service_account="",
        identity=SpiffeId(""),
        ingress=_set_id(closed, Side.INGRESS) if closed else None,
        egress=_set_id(closed, Side.EGRESS) if closed else None,
    )


def _set_id(network: str, side: Side) -> PolicySetId:
    return PolicySetId(digest(f"{KEY}/{network}/{side.value}", 12))
