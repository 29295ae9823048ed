"""apps/v1 StatefulSet, as far as it is acted on; volume claims are refused by `schemas/rules_kubernetes.py`."""

from __future__ import annotations

from typing import Any

from tandem.model.meta import Condition, Model, Object
from tandem.model.selectors import LabelSelector


class StatefulSetUpdateStrategy(Model, frozen=True, kw_only=True):
    """How pods of an older template are replaced: RollingUpdate or OnDelete."""

    type: str = "RollingUpdate"


class StatefulSetOrdinals(Model, frozen=True, kw_only=True):
    """From which number pods are counted."""

    start: int = 0


class StatefulSetSpec(Model, frozen=True, kw_only=True):
    """apps/v1 StatefulSetSpec."""

    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: dict[str, Any] = {}
    """PodTemplateSpec as it came, as in a Deployment."""
    service_name: str = ""
    pod_management_policy: str = "OrderedReady"
    update_strategy: StatefulSetUpdateStrategy = StatefulSetUpdateStrategy()
    min_ready_seconds: int = 0
    ordinals: StatefulSetOrdinals = StatefulSetOrdinals()

    @property
    def ordered(self) -> bool:
        """Whether a pod waits for those before it."""
        return self.pod_management_policy != "Parallel"


class StatefulSetStatus(Model, frozen=True, kw_only=True):
    """apps/v1 StatefulSetStatus."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    current_replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    current_revision: str = ""
    update_revision: str = ""
    conditions: tuple[Condition, ...] = ()


class StatefulSet(Object, frozen=True, kw_only=True):
    """apps/v1 StatefulSet."""

    spec: StatefulSetSpec = StatefulSetSpec()
    status: StatefulSetStatus = StatefulSetStatus()
