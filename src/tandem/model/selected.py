"""Which Services select a pod, found by one label of each Service's selector, and at which of its ports. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tandem.model.core import Pod, Service, ServicePort
from tandem.model.selectors import matches_map
from tandem.model.world import Key

_Label = tuple[str, str, str]
"""Namespace, key and value."""


class Selected:
    """The Services that have a selector; `put` and `drop` keep it up with the World."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._by_label: Final[dict[_Label, dict[Key, Service]]] = {}
        self._labels: Final[dict[Key, _Label]] = {}
        for service in services:
            self.put(service)

    def put(self, service: Service) -> None:
        """A Service that is new, or another than before."""
        self.drop(service.key)
        if service.spec.selector:  # an empty one selects nothing
            key, value = min(service.spec.selector.items())
            label = self._labels[service.key] = service.metadata.namespace, key, value
            self._by_label.setdefault(label, {})[service.key] = service

    def drop(self, key: Key) -> None:
        """One that is no more; nothing if it was not there."""
        label = self._labels.pop(key, None)
        if label is not None:
            del self._by_label[label][key]
            if not self._by_label[label]:
                del self._by_label[label]

    def of(self, pod: Pod) -> list[Service]:
        """Those that select the pod, in the order of names."""
        namespace, labels = pod.metadata.namespace, pod.metadata.labels
        found: dict[Key, Service] = {}
        for key, value in labels.items():
            found.update(self._by_label.get((namespace, key, value), {}))
        return [found[key] for key in sorted(found) if matches_map(found[key].spec.selector, labels)]


def target_port(port: ServicePort, pod: Pod) -> int | None:
    """The number behind a Service's port on `pod`; None if the pod has no container port of that name."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    for container in pod.spec.containers:
        for offered in container.ports:
            if offered.name == target and offered.protocol == port.protocol:
                return offered.container_port
    return None
