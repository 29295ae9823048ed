"""Pods by each of their labels, so that those that a selector chooses are found without looking at all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tandem.model import core
from tandem.model.selectors import matches_map
from tandem.model.world import Key


class Labelled:
    """`put` and `drop` keep it up with the World."""

    def __init__(self) -> None:
        self._by_label: Final[dict[tuple[str, str, str], dict[Key, core.Pod]]] = {}

    def put(self, pod: core.Pod) -> None:
        """A pod that is new; one that was another before is dropped first."""
        for label in pod.metadata.labels.items():
            self._by_label.setdefault((pod.metadata.namespace, *label), {})[pod.key] = pod

    def drop(self, pod: core.Pod) -> None:
        """One that is no more; nothing if it was not there."""
        for label in pod.metadata.labels.items():
            found = self._by_label.get((pod.metadata.namespace, *label), {})
            if found.pop(pod.key, None) is not None and not found:
                del self._by_label[pod.metadata.namespace, *label]

    def chosen(self, namespace: str, selector: Mapping[str, str]) -> list[core.Pod]:
        """The pods of a namespace that have these labels (at least one), sorted by name."""
        fewest = min((self._by_label.get((namespace, *label), {}) for label in selector.items()), key=len)
        return [fewest[key] for key in sorted(fewest) if matches_map(selector, fewest[key].metadata.labels)]
