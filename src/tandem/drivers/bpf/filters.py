"""rtnetlink messages for the filter that runs the program at a link's ingress. Pure."""

from __future__ import annotations

import struct
from typing import Final

from tandem.drivers.link import rtnl
from tandem.drivers.link.attributes import text_of
from tandem.drivers.link.rtnl import Attrs, Message
from tandem.state.ownership import FILTER

NEWQDISC, DELQDISC = 36, 37
NEWFILTER, DELFILTER, GETFILTER = 44, 45, 46
# linux/pkt_sched.h: the qdisc that has no queue, and filters for what comes in and for what goes out.
QDISC_HANDLE, QDISC_PARENT, INGRESS, EGRESS = 0xFFFF0000, 0xFFFFFFF1, 0xFFFFFFF2, 0xFFFFFFF3
KIND: Final = "clsact"
TCA_KIND, TCA_OPTIONS = 1, 2
TCA_BPF_FD, TCA_BPF_NAME, TCA_BPF_FLAGS = 6, 7, 8
DIRECT: Final = 1
"""The program's answer is the filter's."""
PRIORITY: Final = 0xC0DE
"""Late: filters of others see a packet before it leaves by the fast path."""
HANDLE: Final = 1
_INFO: Final = PRIORITY << 16 | struct.unpack("=H", struct.pack(">H", 3))[0]
"""Priority, and the protocol: every one (ETH_P_ALL)."""
_BPF: Final = rtnl.attr(TCA_KIND, b"bpf\0")


def add_qdisc(index: int) -> Message:
    """Refused with EEXIST where there is one."""
    body = rtnl.QDISC.pack(0, index, QDISC_HANDLE, QDISC_PARENT, 0) + rtnl.attr(TCA_KIND, KIND.encode() + b"\0")
    what = f"filters at link {index} (the kernel needs CONFIG_NET_SCH_INGRESS)"
    return Message(type=NEWQDISC, flags=rtnl.CREATE | rtnl.EXCL, body=body, what=what)


def drop_qdisc(index: int) -> Message:
    """With all filters."""
    body = rtnl.QDISC.pack(0, index, QDISC_HANDLE, QDISC_PARENT, 0)
    return Message(type=DELQDISC, body=body, what=f"filters at link {index}")


def put_filter(index: int, program: int) -> Message:
    """Run the program that this process has open, from now on in place of an earlier one of ours."""
    options = rtnl.attr(TCA_BPF_FD, rtnl.u32(program)) + rtnl.attr(TCA_BPF_NAME, FILTER.encode() + b"\0")
    options += rtnl.attr(TCA_BPF_FLAGS, rtnl.u32(DIRECT))
    body = rtnl.QDISC.pack(0, index, HANDLE, INGRESS, _INFO) + _BPF + rtnl.attr(TCA_OPTIONS, options)
    what = f"fast path at link {index} (the kernel needs CONFIG_NET_CLS_BPF)"
    return Message(type=NEWFILTER, flags=rtnl.CREATE, body=body, what=what)


def drop_filter(index: int) -> Message:
    """Ours."""
    body = rtnl.QDISC.pack(0, index, HANDLE, INGRESS, _INFO) + _BPF
    return Message(type=DELFILTER, body=body, what=f"fast path at link {index}")


def of_link(index: int, hook: int) -> bytes:
    """The header of a request for the filters of a link at INGRESS or EGRESS."""
    return rtnl.QDISC.pack(0, index, 0, hook, 0)


def is_ours(attributes: Attrs) -> bool:
    """Of a filter."""
    options = rtnl.attrs(attributes.get(TCA_OPTIONS, b""))
    return text_of(attributes, TCA_KIND) == "bpf" and text_of(options, TCA_BPF_NAME) == FILTER
