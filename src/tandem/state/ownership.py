"""The marks by which everything that we put into the kernel is recognised as ours, also after a crash."""

from __future__ import annotations

from typing import Final

TABLE: Final = "tandem"
"""Name of our nftables table (family inet), in the node's namespace and in each meshed pod's."""

POLICY_TABLE: Final = "tandem-policy"
"""Name of our nftables table in the namespace of a pod behind another plugin: its policy (docs/design/0019)."""

SHUT_TABLE: Final = "tandem-shut"
"""Name of our nftables table that lets nothing begin while the node's own is not whole (docs/design/0026)."""

TABLES: Final = (TABLE, POLICY_TABLE)

NODE_TABLES: Final = (("inet", TABLE), ("bridge", TABLE))
"""Family and name of those in the node's namespace that no one else may change."""

FIREWALL_COMMENT: Final = "tandem:"
"""How comments of our rules in iptables' chain FORWARD begin, which is not ours (docs/design/0077)."""

LINK_ALIAS: Final = "tandem:"
"""Prefix of the alias (IFLA_IFALIAS) of every link that we create."""

DEVICE_ALIAS: Final = "tandem-fabric:"
"""Prefix of the alias of every device of a fabric; none of them is a pod's link."""

DEVICE_PREFIXES: Final = ("tandem-", "td-")
"""Devices of a fabric have such names, so that one is known as ours also between its creation and its alias."""

LINK_GROUP: Final = 0x74646C76
"""The group into which our links are put to be removed together; no link stays in it."""

FILTER: Final = "tandem-fast"
"""Name of our filter at the host ends of pods' links (TCA_BPF_NAME), which runs the program of the fast path."""

ROUTE_PROTOCOL: Final = 116
"""rtm_protocol of our routes and rules, and ifa_proto of our addresses."""

ANNOUNCED_PROTOCOL: Final = 117
"""ifa_proto of addresses of load balancers on a node's links."""

NETNS_PREFIX: Final = "tandem-"
"""Prefix of network namespaces under /run/netns that `tandem up` creates."""

BGP_PROTOCOL: Final = 12
"""rtm_protocol of every route that BIRD makes (RTPROT_BIRD); ours are those with the metric below."""

BGP_METRIC: Final = 116
"""Metric of the routes that our BIRD makes."""

WIREGUARD_ALIAS: Final = "tandem-wireguard:"
"""Prefix of the alias of the device that leads into the encrypted tunnel."""

WIREGUARD_PREFIX: Final = "wgtd"
"""Prefix of its name; what begins with `td` is a pod's link."""

SANDBOX_VARIABLE: Final = "TANDEM_SANDBOX"
"""In the environment of a sandbox's init: the folder of its pod. So it is found when that folder was lost."""

NFLOG_GROUP: Final = 116
"""Where dropped packets are reported."""

NAMES_GROUP: Final = 117
"""Where the node's answers to pods are copied whose policy is about names."""

ENVOY_MARK: Final = 0x539
"""SO_MARK on Envoy's own sockets inside pods: not captured again. A pod that sets it (CAP_NET_RAW is enough) passes its
own proxy and no other (docs/design/0059)."""

INBOUND_MARK: Final = 0x53A
"""SO_MARK on Envoy's connections to the application inside a pod, made with the client's address (original_src)."""

INBOUND_CONNECTION: Final = 0x53_053A
"""Connection mark of those. Services number endpoints in the same field, in a pod behind another plugin: below 1 << 17
and from 1 << 31 (`compile/nft/services.py`)."""
ENDED_BY_SOURCE: Final = 1 << 28
ENDED_BY_DESTINATION: Final = 1 << 29
"""Bits of the connection mark in the node's namespace: which ends of a connection have sent FIN by the fast path."""

TPROXY_MARK: Final = 0x53B
"""Set on packets that a pod's namespace hands to Envoy's transparent inbound socket."""

LOCAL_MARKS: Final = (INBOUND_MARK, TPROXY_MARK)
POD_ROUTE_TABLE: Final = 116
"""In a pod of the mesh: `local default dev lo`, looked up for LOCAL_MARKS."""
