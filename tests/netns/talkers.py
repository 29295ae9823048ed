"""Programs in pods' namespaces that hold connections open: a server that echoes, and a client told what to say."""

from __future__ import annotations

import json
import subprocess

SERVE = """
import selectors, socket
chosen = selectors.DefaultSelector()
for family in (socket.AF_INET, socket.AF_INET6):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind(("", 80))
        if kind == socket.SOCK_STREAM: s.listen(1000)
        chosen.register(s, 1, "tcp" if kind == socket.SOCK_STREAM else "udp")
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.data == "udp":
            data, who = key.fileobj.recvfrom(99); key.fileobj.sendto(data, who)
        elif key.data == "tcp":
            c, _ = key.fileobj.accept(); chosen.register(c, 1, "conn")
        else:
            try: data = key.fileobj.recv(99)
            except OSError: data = b""
            if data: key.fileobj.sendall(data)
            else: chosen.unregister(key.fileobj); key.fileobj.close()
"""
TALK = """
import json, socket, struct, sys
open_ = {}
def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
class Echo:
    "ICMP, as ping has it: one identifier, so that it is one connection to the kernel."
    def __init__(self, host, ident):
        self.six, self.host, self.ident, self.seq = ":" in host, host, ident, 0
        family, proto = (socket.AF_INET6, 58) if self.six else (socket.AF_INET, 1)
        self.s = socket.socket(family, socket.SOCK_RAW, proto); self.s.settimeout(0.9)
    def say(self):
        self.seq += 1
        kind, answer = (128, 129) if self.six else (8, 0)
        body = struct.pack(">BBHHH", kind, 0, 0, self.ident, self.seq) + b"ping"
        if not self.six: body = body[:2] + struct.pack(">H", checksum(body)) + body[4:]
        self.s.sendto(body, (self.host, 0))
        while True:
            data = self.s.recv(999)
            if not self.six: data = data[20:]
            if data[0] == answer and struct.unpack_from(">HH", data, 4) == (self.ident, self.seq): return
class Talk:
    def __init__(self, kind, host, port):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.s = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
        self.s.settimeout(0.9); self.s.connect((host, port))
    def say(self):
        self.s.sendall(b"ping")
        if self.s.recv(99) != b"ping": raise ConnectionResetError
for line in sys.stdin:
    name, kind, host, port = json.loads(line)
    try:
        if name not in open_:
            open_[name] = Echo(host, 1000 + len(open_)) if kind == "icmp" else Talk(kind, host, port)
        open_[name].say(); answer = "pong"
    except TimeoutError: answer = "timeout"
    except OSError as err: answer = type(err).__name__
    print(answer, flush=True)
"""


def say(client: subprocess.Popen[str], name: str, kind: str, host: str, port: int = 80) -> str:
    """One word over the connection of that name, which is opened first where there is none: `pong`, or why not."""
    assert client.stdin
    assert client.stdout
    client.stdin.write(json.dumps([name, kind, host, port]) + "\n")
    client.stdin.flush()
    return client.stdout.readline().strip()


def datagrams_to(address: str) -> str:
    """The program that sends one to port 53 there for each line it reads, from one socket, and says what comes."""
    return f"""
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(1.0); u.connect(({address!r}, 53))
for line in sys.stdin:
    u.send(b"x")
    try: print(u.recv(99).decode(), flush=True)
    except OSError as e: print(type(e).__name__, flush=True)
"""
