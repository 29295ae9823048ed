"""bpf(2) through ctypes: maps, programs and descriptions of types, as open files of this process.

Raises OSError with the kernel's errno. Nothing is pinned: what no process and no link holds any more is gone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Final

_CALL: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
"""The number of bpf(2) by machine."""
# enum bpf_cmd, bpf_map_type and bpf_prog_type of linux/bpf.h.
_MAP_CREATE, _MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _PROGRAM_LOAD = 0, 1, 2, 3, 5
_INFO, _TYPES_OPEN, _TYPES_NEXT = 15, 19, 23
HASH, PER_CPU_ARRAY = 1, 6
_SCHED_CLS: Final = 3
_LOAD: Final = struct.Struct("=2I2Q2IQ2I16s4IQ2IQ4IQ")
_LOG_BYTES: Final = 1 << 20
_NAME_BYTES: Final = 64
_libc: Final = ctypes.CDLL(None, use_errno=True)
Buffer = ctypes.Array[ctypes.c_char]


def _bpf(command: int, attributes: Buffer) -> int:
    """What the attributes point to must be kept by the caller; the kernel may write into them."""
    number = _CALL.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) is not known on {platform.machine()}")
    found: int = _libc.syscall(number, command, attributes, len(attributes))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return found


def _buffer(data: bytes) -> Buffer:
    return ctypes.create_string_buffer(data, len(data))


def make_map(kind: int, name: bytes, *, key: int, value: int, entries: int) -> int:
    """A map with keys and values of so many bytes."""
    return _bpf(_MAP_CREATE, _buffer(struct.pack("=7I16s", kind, key, value, entries, 0, 0, 0, name)))


def _element(command: int, handle: int, key: bytes, value: Buffer | None) -> None:
    at = _buffer(key)
    there = ctypes.addressof(value) if value is not None else 0
    _bpf(command, _buffer(struct.pack("=IxxxxQQQ", handle, ctypes.addressof(at), there, 0)))


def put(handle: int, key: bytes, value: bytes) -> None:
    """Set an element, new or not."""
    _element(_MAP_UPDATE, handle, key, _buffer(value))


def drop(handle: int, key: bytes) -> None:
    """Remove an element; fine if it is not there."""
    try:
        _element(_MAP_DELETE, handle, key, None)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def get(handle: int, key: bytes, size: int) -> bytes:
    """The value of an element: of a map per processor that of every processor, eight bytes at least for each."""
    value = ctypes.create_string_buffer(size)
    _element(_MAP_LOOKUP, handle, key, value)
    return value.raw


def load_program(code: bytes, name: bytes, licence: bytes, modules: tuple[int, ...] = ()) -> int:
    """A program for packets at a link; `modules`: descriptions of those whose functions it calls, counted from 1.

    A refusal has the last words of the kernel's verifier.
    """
    try:
        return _load(code, name, licence, modules, None)
    except OSError:
        log = ctypes.create_string_buffer(_LOG_BYTES)
        try:
            return _load(code, name, licence, modules, log)
        except OSError as error:
            words = [line for line in log.value.decode(errors="replace").splitlines() if line]
            told = next((line for line in reversed(words) if not line.startswith("processed ")), "")
            raise OSError(error.errno, f"{error.strerror}{': ' if told else ''}{told}") from error


def _load(code: bytes, name: bytes, licence: bytes, modules: tuple[int, ...], log: Buffer | None) -> int:
    instructions, owner = _buffer(code), ctypes.create_string_buffer(licence)
    handles = (ctypes.c_int * (1 + len(modules)))(0, *modules)
    log_at = (1, _LOG_BYTES, ctypes.addressof(log)) if log is not None else (0, 0, 0)
    places = ctypes.addressof(instructions), ctypes.addressof(owner)
    attributes = _LOAD.pack(
        *(_SCHED_CLS, len(code) // 8, *places, *log_at),
        *(0, 0, name),  # version and flags
        *(0,) * 12,  # device, kind of attachment, types of the program itself
        ctypes.addressof(handles) if modules else 0,
    )
    return _bpf(_PROGRAM_LOAD, _buffer(attributes))


def open_types(name: str) -> int:
    """The description of types of a module (`vmlinux`: of the kernel itself); OSError (ENOENT) if there is none."""
    number = 0
    while True:
        asked = _buffer(struct.pack("=III", number, 0, 0))
        _bpf(_TYPES_NEXT, asked)
        number = struct.unpack_from("=I", asked.raw, 4)[0]
        handle = _bpf(_TYPES_OPEN, _buffer(struct.pack("=III", number, 0, 0)))
        if _name_of(handle) == name:
            return handle
        os.close(handle)


def _name_of(handle: int) -> str:
    name = ctypes.create_string_buffer(_NAME_BYTES)
    info = _buffer(struct.pack("=QIIQII", 0, 0, 0, ctypes.addressof(name), _NAME_BYTES, 0))
    _bpf(_INFO, _buffer(struct.pack("=IIQ", handle, len(info), ctypes.addressof(info))))
    return name.value.decode()
