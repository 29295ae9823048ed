"""Token buckets (tbf) on either end of a pod's link: messages to set one, and what the kernel has. rtnetlink only.

What the host end sends is what the pod receives. What the pod sends is held back in the pod, where a sender feels it
instead of losing packets; pods lack NET_ADMIN and cannot take it off, and CHECK tells of one that did.
"""

from __future__ import annotations

import struct
from typing import Final

from tandem.drivers.link import rtnl
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.link.rtnl import Message

TCA_KIND, TCA_OPTIONS = 1, 2
TCA_TBF_PARMS, TCA_TBF_RATE64, TCA_TBF_BURST = 1, 4, 6
ROOT: Final = 0xFFFFFFFF
HANDLE: Final = 0x740000
"""Handle 74: of the qdisc."""
ETHERNET: Final = 1
"""Link layer in a rate: the kernel then needs no table of transmission times."""
QUEUE_SECONDS: Final = 0.025
LARGEST: Final = 0xFFFFFFFF
FRAME: Final = 18
"""Ethernet header with a VLAN tag: a burst must hold one frame, or nothing passes."""
# cell_log, linklayer, overhead, cell_align, mpu, rate; twice (rate, peak rate); then limit, buffer, mtu.
_PARMS: Final = struct.Struct("=BBHhHIBBHhHIIII")
KIND: Final = "tbf"
_NAME: Final = KIND.encode() + b"\0"


def token_bucket(index: int, *, rate: int, burst: int, mtu: int) -> Message:
    """Let out at most `rate` bits a second with bursts of `burst` bits."""
    octets, least = max(1, rate // 8), mtu + FRAME
    bucket = min(LARGEST, max(burst // 8, least))
    limit = min(LARGEST, bucket + max(least, int(octets * QUEUE_SECONDS)))
    parms = _PARMS.pack(0, ETHERNET, 0, 0, 0, min(octets, LARGEST), 0, 0, 0, 0, 0, 0, limit, 0, 0)
    options = rtnl.attr(TCA_TBF_PARMS, parms) + rtnl.attr(TCA_TBF_BURST, rtnl.u32(bucket))
    if octets > LARGEST:
        options += rtnl.attr(TCA_TBF_RATE64, struct.pack("=Q", octets))
    body = rtnl.QDISC.pack(0, index, HANDLE, ROOT, 0) + rtnl.attr(TCA_KIND, _NAME) + rtnl.attr(TCA_OPTIONS, options)
    what = f"bandwidth limit of {rate} bit/s (token bucket; the kernel needs CONFIG_NET_SCH_TBF)"
    return Message(type=rtnl.NEWQDISC, flags=rtnl.CREATE | rtnl.REPLACE, body=body, what=what)


def rate_of(sock: Rtnl, index: int) -> int:
    """Bits a second of the token bucket of an interface; 0 without one."""
    for (_, device, _, parent, _), attrs in sock.dump(rtnl.GETQDISC, rtnl.QDISC):
        if device == index and parent == ROOT and attrs.get(TCA_KIND) == _NAME:
            options = rtnl.attrs(attrs[TCA_OPTIONS])
            if TCA_TBF_RATE64 in options:
                octets: int = struct.unpack("=Q", options[TCA_TBF_RATE64])[0]
            else:
                octets = _PARMS.unpack_from(options[TCA_TBF_PARMS])[5]
            return octets * 8
    return 0
