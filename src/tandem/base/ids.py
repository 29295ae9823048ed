"""Identifiers as types of their own: a raw `str` is text for people."""

from __future__ import annotations

from typing import NewType

PodUid = NewType("PodUid", str)
"""`metadata.uid` of a Pod."""

NodeName = NewType("NodeName", str)
"""`metadata.name` of a Node."""

PolicySetId = NewType("PolicySetId", str)
"""Digest of a policy set: equal content, equal id."""

GroupId = NewType("GroupId", str)
"""Digest of the selector that an address group was resolved from."""

SpiffeId = NewType("SpiffeId", str)
"""`spiffe://<trust domain>/ns/<namespace>/sa/<service account>`."""

ContainerId = NewType("ContainerId", str)
"""CNI_CONTAINERID: one sandbox."""
