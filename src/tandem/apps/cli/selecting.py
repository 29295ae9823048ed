"""Which pods a policy of whatever kind selects, and which policies select a pod: for `describe`. Pure: raw objects in.

Host-network and finished pods are selected by none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tandem.model import core
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.closing import read_policy
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object, RawObject
from tandem.model.parse import parse
from tandem.model.policy import NetworkPolicy
from tandem.model.selectors import matches


def policies_of(pod: RawObject, policies: Iterable[RawObject], namespaces: Sequence[RawObject]) -> list[str]:
    """`NAME` of each NetworkPolicy and `KIND/NAME` of each other policy that selects the pod, in the given order."""
    subject, labels = parse(pod), _labels(namespaces)
    found = [p for p in policies if _selects(read_policy(p), subject, labels)]
    return [_named(p) for p in found]


def pods_of(policy: RawObject, pods: Iterable[RawObject], namespaces: Sequence[RawObject]) -> list[str]:
    """`NAME` of each pod of the policy's namespace, `NAMESPACE/NAME` of each pod that a cluster-wide one selects."""
    judge, labels = read_policy(policy), _labels(namespaces)
    found = [p for p in pods if _selects(judge, parse(p), labels)]
    wide = not BY_KIND[policy["kind"]].namespaced
    return [f"{p['metadata']['namespace']}/{p['metadata']['name']}" if wide else p["metadata"]["name"] for p in found]


def _named(policy: RawObject) -> str:
    kind = BY_KIND[policy["kind"]]
    name = str(policy["metadata"]["name"])
    return name if kind.namespaced else f"{kind.singular}/{name}"


def _labels(namespaces: Iterable[RawObject]) -> Mapping[str, Mapping[str, str]]:
    return {str(n["metadata"]["name"]): n["metadata"].get("labels") or {} for n in namespaces}


def _selects(policy: Object, pod: Object, labels: Mapping[str, Mapping[str, str]]) -> bool:
    if not isinstance(pod, core.Pod) or pod.spec.host_network or pod.finished:
        return False
    namespace = pod.metadata.namespace
    match policy:
        case NetworkPolicy():
            return policy.metadata.namespace == namespace and matches(policy.spec.pod_selector, pod.metadata.labels)
        case ClusterNetworkPolicy() | AdminNetworkPolicy() | BaselineAdminNetworkPolicy():
            subject = policy.spec.subject
            known = {"kubernetes.io/metadata.name": namespace, **labels.get(namespace, {})}
            if subject.namespaces is not None:
                return matches(subject.namespaces, known)
            return subject.pods is not None and (
                matches(subject.pods.namespace_selector, known)
                and matches(subject.pods.pod_selector, pod.metadata.labels)
            )
    return False
