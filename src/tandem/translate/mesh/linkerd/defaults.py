"""Linkerd's default policies, of Servers (accessPolicy) and of pods (an annotation) -> whom they let in. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Origin
from tandem.ir.authz import Attribute, Requirement, Requirements
from tandem.ir.match import Exact
from tandem.translate.mesh.linkerd.identities import PROVED

ANNOTATION: Final = "config.linkerd.io/default-inbound-policy"
AUDIT: Final = "audit"
CLUSTER_NETWORKS: Final = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")
"""What is of the cluster, where nobody says otherwise (Linkerd's chart, clusterNetworks)."""
OF_CLUSTER: Final = Requirement(attribute=Attribute.PEER_ADDRESS, values=tuple(map(Exact, CLUSTER_NETWORKS)))
EVERYTHING: Final[Requirements] = ()
"""Asks for nothing: everyone, or every request."""
SOURCES: Final[dict[str, tuple[Requirements, ...]]] = {
    "all-unauthenticated": (EVERYTHING,),
    "all-authenticated": ((PROVED,),),
    "cluster-authenticated": ((PROVED, OF_CLUSTER),),
    "cluster-unauthenticated": ((OF_CLUSTER,),),
    "deny": (),
    AUDIT: (),
}
"""By policy, whom it lets in beside those who are authorized. An audit lets pass, and tells what would be denied."""
Default = tuple[str, Origin]
"""A default policy, and where it is said."""
