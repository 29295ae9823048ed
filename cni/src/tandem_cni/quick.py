"""The quick way of ADD and DEL: the request goes to the agent as bytes, its result to the runtime as bytes.

`json` and `socket` would cost more than everything else that an execution does, so only what is built into the
interpreter is imported. Whatever is not plain here, an error above all, is handed to `__main__`.
"""

from __future__ import annotations

import _socket
import posix

VERBS = (b"ADD", b"DEL")
CNI = (b"CNI_CONTAINERID", b"CNI_NETNS", b"CNI_IFNAME", b"CNI_ARGS", b"CNI_PATH")
PASSED_ON = (*CNI, b"TRACEPARENT", b"TRACESTATE", b"BAGGAGE")
PLAIN = frozenset(range(32, 127)) - frozenset(b'"\\')
LIMIT = 7 << 20
RESULT = b'{"result":'


def message(env: dict[bytes, bytes], data: bytes) -> tuple[bytes, bytes] | None:
    """The agent's socket and what to send there; None: not plain enough. The agent checks what was not checked here."""
    verb = env.get(b"CNI_COMMAND", b"")
    _, found, rest = data.partition(b'"socket"')
    colon, _, rest = rest.partition(b'"')
    path, end, rest = rest.partition(b'"')
    known = [(name, env[name]) for name in PASSED_ON if name in env]
    if verb not in VERBS or not found or not end or colon.strip() != b":" or b'"socket"' in rest or len(data) > LIMIT:
        return None
    if b"\\" in path or not PLAIN.issuperset(b"".join([value for _, value in known])):
        return None
    pairs = b",".join([b'"%s":"%s"' % pair for pair in known])
    return path, b'{"verb":"%s","unchecked":true,"env":{%s},"config":%s}' % (verb, pairs, data)


def exchange(path: bytes, data: bytes) -> bytes | OSError | None:
    """The agent's answer, or what went wrong; None: nobody was there, nothing was sent."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.settimeout(60.0)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    try:
        connection.sendall(len(data).to_bytes(4, "big") + data)
        answer = connection.recv(65536)
        while len(answer) < 4 or len(answer) < 4 + int.from_bytes(answer[:4], "big"):
            part = connection.recv(65536)
            if not part:
                return ConnectionError("the agent hung up")
            answer += part
    except OSError as error:
        return error
    finally:
        connection.close()
    return answer[4:]


def taken_over(how: str) -> tuple[bytes | None, bytes | OSError | None]:
    """What quick.pl has read and heard: request and answer, on standard input; `how` empty: it read nothing."""
    if not how:
        return None, None
    data = b"".join(iter(lambda: posix.read(0, 65536), b""))
    end = 4 + int.from_bytes(data[:4], "big")
    read, heard = data[4:end], data[end:]
    if how == "told":
        return read, heard
    if how == "lost":
        code = int(heard)
        return read, OSError(code, posix.strerror(code)) if code else ConnectionError("the agent hung up")
    return read, None


def run(sources: dict[str, str], how: str | None = None) -> None:
    """One execution; ends the process. `sources` are the courier's modules in the order of their imports.

    `how` tells where quick.pl left off; None: it was not there.
    """
    data, answer = None, None
    try:
        if how is not None:
            data, answer = taken_over(how)
        elif posix.environ.get(b"CNI_COMMAND") in VERBS:
            data = b"".join(iter(lambda: posix.read(0, 65536), b""))
            asked = message(posix.environ, data)
            if asked is not None:
                answer = exchange(*asked)
        if isinstance(answer, bytes) and answer.startswith(RESULT):
            result = answer[len(RESULT) : -1]
            if result != b"null":
                posix.write(1, result + b"\n")
            # Taking the interpreter down in order costs a millisecond and more.
            posix._exit(0)  # noqa: SLF001 - it has no other name
    except OSError:
        # Standard input or output: the long way meets it again, and tells it.
        pass
    import sys

    for name, source in sources.items():
        module = type(sys)(name)
        module.__path__ = []
        sys.modules[name] = module
        exec(compile(source, name, "exec"), module.__dict__)  # noqa: S102 - our own modules, put in by build.py
    sys.exit(sys.modules["tandem_cni.__main__"].main(data, answer=answer))
