"""The scale subresource of a Deployment or StatefulSet: an autoscaling/v1 Scale out, a merge patch of it in. Pure."""

from __future__ import annotations

from typing import Any

from tandem.apiserver.errors import Refusal
from tandem.apiserver.records import Record

Raw = dict[str, Any]


def scale_of(record: Record) -> Raw:
    """How many there are to be, and are."""
    spec, status = record.raw["spec"], record.raw.get("status", {})
    labels = (spec["selector"].get("matchLabels") or {}).items()
    meta = {k: record.meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")}
    selector = ",".join(f"{k}={v}" for k, v in sorted(labels))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": spec["replicas"]},
        "status": {"replicas": status.get("replicas", 0), "selector": selector},
    }


def replicas_patch(body: Any) -> Raw:
    """The merge patch behind a Scale (or a merge patch of one); Refusal 400 without replicas."""
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("replicas"), int):
        raise Refusal(400, "spec.replicas: is required")
    meta = body.get("metadata") or {}
    kept = {"resourceVersion": meta["resourceVersion"]} if meta.get("resourceVersion") else {}
    return {"metadata": kept, "spec": {"replicas": spec["replicas"]}}
