"""What Consul calls metadata and tags of a pod's service, as labels beside those that the pod has.

Consul on Kubernetes takes them from annotations of the pod, and subsets select by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tandem.model.meta import Meta

META: Final = "consul.hashicorp.com/service-meta-"
"""What stands before a key of metadata, in annotations."""
TAGS: Final = "consul.hashicorp.com/service-tags"
"""Tags, with commas between them."""
_TAG: Final = "consul.hashicorp.com/service-tag-"


def meta_label(key: str) -> str:
    """The label of a key of metadata."""
    return f"{META}{key}"


def tag_label(tag: str) -> tuple[str, str]:
    """The label of a tag, and its value."""
    return f"{_TAG}{tag}", "true"


def traits_of(meta: Meta) -> Mapping[str, str]:
    """The labels of a pod, and what its annotations say to Consul."""
    said = {key: value for key, value in meta.annotations.items() if key.startswith(META)}
    tags = (tag.strip() for tag in meta.annotations.get(TAGS, "").split(","))
    said |= dict(tag_label(tag) for tag in tags if tag)
    return {**said, **meta.labels} if said else meta.labels
