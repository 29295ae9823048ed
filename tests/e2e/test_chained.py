"""Behind Debian's `bridge`, `ptp` and `macvlan`: mesh and policy on links of another plugin, and nothing left.

One world for all; each network is the one that the node's own runtime takes meanwhile. cnitool is Debian's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from e2e.lab import RUN, Lab, Ran, lab, until
from e2e.objects import Raw, container, idle, namespace, pod, policy, service

pytestmark = pytest.mark.root

NODE: Final = RUN / "nodes" / "node-1"
CONF: Final = f"{NODE}/cni/net.d"
BIN: Final = f"{NODE}/cni/bin"
PARENT: Final = "parent0"
PLUGINS: Final[dict[str, dict[str, Any]]] = {
    "bridge": {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True},
    "ptp": {"type": "ptp", "ipMasq": True},
    "macvlan": {"type": "macvlan", "master": PARENT, "mode": "bridge"},
}
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
"""What the caller of libcni traces (W3C trace context)."""
DENIED: Final = 28
"""curl's exit status where nobody answers."""
SNIFF: Final = """
import socket, sys
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sniffer.settimeout(20)
print("ready", flush=True)
seen = b""
while b"done-sniffing" not in seen and b"\\x16\\x03" not in seen:
    seen += sniffer.recv(65535)
print("TLS" if b"\\x16\\x03" in seen else "no TLS", "plain" if b"GET /secret" in seen else "no plain text", flush=True)
"""
"""Until a TLS handshake (record type 22, version 3.x) is on the wire."""


def plugin_of(name: str, *, start: int) -> Raw:
    """The plugin with addresses out of a part of one subnet: a bridge has one gateway."""
    part = {"subnet": "10.88.0.0/24", "rangeStart": f"10.88.0.{start}", "rangeEnd": f"10.88.0.{start + 39}"}
    ranges = [[part], *([[{"subnet": "fd88::/64"}]] if name == "bridge" else [])]
    ipam = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    return {**PLUGINS[name], "ipam": ipam}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.run("ip", "link", "add", PARENT, "type", "veth", "peer", "name", "wire0", status=0)
        # As `ip netns` does when it first runs; done later, it would hide what is pinned there.
        made.run("sh", "-ec", "mount --bind /run/netns /run/netns && mount --make-shared /run/netns", status=0)
        made.run("mount", "-t", "tmpfs", "tmpfs", "/var/lib", status=0)  # where host-local and libcni keep theirs
        for link in (PARENT, "wire0"):
            made.run("ip", "link", "set", link, "up", status=0)
        made.tandem("up", "--detach", status=0)
        for plugin in (*PLUGINS, "host-local"):
            made.run("cp", f"/usr/lib/cni/{plugin}", BIN, status=0)
        made.apply(*namespace("own", mesh=True), pod("own", "web", web()), pod("own", "caller", idle()))
        made.apply(service("own", "web"))
        yield made


@pytest.fixture(params=PLUGINS)
def network(world: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A network of that plugin, which the node's runtime takes first, and Tandem behind it."""
    name = f"{request.param}-net"
    config = {"cniVersion": "1.0.0", "name": name, "plugins": [plugin_of(request.param, start=10)]}
    write(world, f"{CONF}/05-{name}.conflist", config)
    install = ("--chained-to", name, "--policy", "--conf-dir", CONF, "--bin-dir", BIN)
    world.tandem("cni", "install", *install, status=0)
    yield name
    world.tandem("cni", "uninstall", "--conf-dir", CONF, status=0)
    world.run("rm", f"{CONF}/05-{name}.conflist", status=0)


def write(world: Lab, path: str, config: Raw) -> None:
    world.run("sh", "-c", f"cat > {path}", stdin=json.dumps(config), status=0)


def web() -> Raw:
    """Without a probe: the node cannot reach a pod of macvlan."""
    made = container("/usr/bin/python3", "/app/web.py")
    return {**made, "env": [*made["env"], {"name": "LISTEN", "value": "::"}]}


def attachments(world: Lab, namespace_: str) -> dict[str, Any]:
    found = world.tandem("cni", "status", "-o", "json", "--conf-dir", CONF, status=0).json()
    return {a["name"]: a for a in found["attachments"] if a["namespace"] == namespace_}


def cluster_ip(world: Lab, namespace_: str, name: str) -> str:
    found: str = world.get(namespace_, "service", name)["spec"]["clusterIP"]
    return found


def is_pinged(world: Lab, namespace_: str, address: str) -> bool:
    return world.inside(namespace_, "other", "/bin/busybox", "ping", "-c", "1", "-W", "1", address).status == 0


def is_answered(said: Ran) -> bool:
    return said.status == 0 and said.out.split()[-1:] == ["200"]


def assert_one_mesh_with_pods_of_our_own(world: Lab, app: str, kept: dict[str, Any]) -> None:
    """Both ways, by name, under their own identities and addresses, though the other plugin masquerades."""
    own = world.get("own", "pod", "caller")["status"]["podIP"]
    caller = kept["caller"]["addresses"][0]
    for namespace_, target, source, address in (("own", app, "own", own), (app, "own", app, caller)):
        said = world.curl(namespace_, "caller", f"http://web.{target}/").out
        assert f'"peer": "spiffe://cluster.local/ns/{source}/sa/default"' in said, world.logs()
        assert f'"from": "{address}"' in said


def test_two_pods_have_mtls_and_policy_on_another_plugins_links(world: Lab, network: str) -> None:
    app, plain = f"{network}-app", f"{network}-plain"
    world.apply(
        *namespace(app, mesh=True),
        *namespace(plain),
        pod(app, "web", web()),
        pod(app, "caller", idle()),
        pod(plain, "other", idle()),
        service(app, "web"),
    )
    kept = attachments(world, app) | attachments(world, plain)
    assert {(a["network"], a["chained"]) for a in kept.values()} == {(network, True)}
    address, *more = kept["web"]["addresses"]
    assert address.startswith("10.88.0.")
    urls = [f"http://{address}:8080/", *(f"http://[{six}]:8080/" for six in more)]
    assert len(urls) == (2 if network.startswith("bridge") else 1)
    until(lambda: is_answered(world.curl(app, "caller", f"http://{address}:8080/")), bool, world.logs)

    # Mesh: by the Service, with the caller's identity, and TLS on the wire.
    sniffer = world.begin(app, "web", "/usr/bin/python3", "-c", SNIFF)
    assert sniffer.stdout is not None
    assert sniffer.stdout.readline() == "ready\n"
    front = cluster_ip(world, app, "web")
    said = world.curl(app, "caller", f"http://{front}/secret")
    assert f'"peer": "spiffe://cluster.local/ns/{app}/sa/default"' in said.out, said.text + world.logs()
    assert sniffer.communicate(timeout=60)[0] == "TLS no plain text\n"

    assert all(is_answered(world.curl(*who, url)) for url in urls for who in ((plain, "other"), (app, "caller")))

    # Policy: judged inside, with its manifest behind each drop; a Service's address is judged by what is behind it.
    world.apply(policy(app, "shut", "web", ingress=[]))
    assert {world.curl(plain, "other", url, "-m", "2").status for url in urls} == {DENIED}
    if not network.startswith("macvlan"):  # which keeps a host from its own links
        assert is_answered(world.run("curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", f"http://{address}:8080/"))
    ask = ("flows", "--denied", "-n", plain, "--pod", "other", "-o", "json")
    denied = until(lambda: world.tandem(*ask, status=0).json()["flows"], bool)
    assert {(f["destination"]["pod"], r["name"]) for f in denied for r in f["rules"]} == {("web", "shut")}
    world.delete("networkpolicy", "shut", "-n", app)
    to_web = [{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}]}]
    world.apply(policy(plain, "only-web", "other", egress=to_web))
    assert is_answered(world.curl(plain, "other", f"http://{front}/"))
    assert is_pinged(world, plain, address)
    assert not is_pinged(world, plain, kept["caller"]["addresses"][0])

    if not network.startswith("macvlan"):
        assert_one_mesh_with_pods_of_our_own(world, app, kept)
    world.delete("namespace", app)
    world.delete("namespace", plain)
    until(lambda: attachments(world, app) | attachments(world, plain), lambda left: not left, world.logs)


def inside_of(world: Lab, space: str) -> str:
    """Everything of a namespace that Tandem could change."""
    commands = (
        "ip -br link | grep -o '^[^ @]* *[@]*'; ip -o address; ip rule; ip -6 rule; ip route show table all",
        "nft list ruleset; sysctl -a 2>/dev/null | grep rp_filter",
    )
    return world.run("ip", "netns", "exec", space, "sh", "-c", "; ".join(commands), status=0).out


def cnitool(world: Lab, verb: str, network_: str, space: str, *, status: int | None = 0) -> Ran:
    """Debian's libcni, by its own tool."""
    path = f"CNI_PATH={BIN}:/usr/lib/cni"
    environment = ("NETCONFPATH=/tmp/net.d", f"TRACEPARENT=00-{TRACE}-00f067aa0ba902b7-01", path)
    return world.run("env", *environment, "cnitool", verb, network_, f"/run/netns/{space}", status=status)


def inlined(world: Lab, plugin: str, **more: Any) -> str:
    """A list for libcni that does not read directories: the other plugin, and Tandem behind it."""
    world.run("mkdir", "-p", "/tmp/net.d", status=0)
    behind = {"type": "tandem-cni", "socket": f"{NODE}/cni.sock", "chained": True, "policy": True} | more
    name = f"{plugin}-{'-'.join(map(str, more.values()))}-tool"
    theirs = plugin_of(plugin, start=180 if "closed" in more.values() else 120)
    lists = {name: [theirs, behind], f"{plugin}-alone": [plugin_of(plugin, start=60)]}
    for title, plugins in lists.items():
        write(world, f"/tmp/net.d/{title}.conflist", {"cniVersion": "1.0.0", "name": title, "plugins": plugins})
    return name


@pytest.fixture
def spaces(world: Lab) -> Iterator[tuple[str, str]]:
    names = ("one", "two")
    for name in names:
        world.run("ip", "netns", "add", name, status=0)
    yield names
    for name in names:
        world.run("ip", "netns", "delete", name, status=0)


def address_in(result: Ran) -> str:
    found: str = result.json()["ips"][0]["address"]
    return found.partition("/")[0]


def pings(world: Lab, space: str, address: str) -> bool:
    command = ("ip", "netns", "exec", space, "busybox", "ping", "-c", "1", "-W", "3", address)
    return world.run(*command).status == 0


@pytest.mark.parametrize("plugin", PLUGINS)
def test_cnitool_adds_checks_and_deletes_behind_it(world: Lab, spaces: tuple[str, str], plugin: str) -> None:
    name = inlined(world, plugin, unmanaged="open")
    for verb in ("add", "del"):
        cnitool(world, verb, f"{plugin}-alone", "one")  # what is left is the other plugin's: its bridge, its tables
    before, outside = [inside_of(world, s) for s in spaces], world.picture()
    one, two = (cnitool(world, "add", name, s) for s in spaces)
    assert pings(world, "one", address_in(two))
    assert pings(world, "two", address_in(one))
    cnitool(world, "check", name, "one")
    table, within = ("inet", "tandem-policy"), ("ip", "netns", "exec", "one", "nft", "-s")
    rules = world.run(*within, "list", "table", *table, status=0).out
    world.run(*within, "delete", "table", *table, status=0)
    until(lambda: world.run(*within, "list", "table", *table).out, lambda found: found == rules, world.logs)
    cnitool(world, "check", name, "one")
    for space in (*spaces, *spaces):
        cnitool(world, "del", name, space)
    assert [inside_of(world, s) for s in spaces] == before
    theirs = ("cni0", "/netns")  # the bridge, and the folder of our pins
    until(
        lambda: [line for line in world.left_since(outside) if not any(word in line for word in theirs)],
        lambda left: not left,
    )


def test_cnitool_adds_checks_and_deletes_the_network_of_our_own(world: Lab, spaces: tuple[str, str]) -> None:
    world.tandem("cni", "install", "--conf-dir", "/tmp/net.d", "--bin-dir", "/tmp/bin", status=0)
    before, outside = [inside_of(world, s) for s in spaces], world.picture()
    one, two = (cnitool(world, "add", "tandem", s) for s in spaces)
    assert (one.json()["cniVersion"], one.json()["ips"][0]["address"][-3:]) == ("1.0.0", "/32")
    assert pings(world, "one", address_in(two))
    spans = [
        json.loads(line)
        for line in (world.root / f"{NODE}/agent.log".lstrip("/")).read_text().splitlines()
        if TRACE in line
    ]
    assert {"ADD", "pin", "link", "policy", "open"} <= {span["name"] for span in spans if span["container"]}
    cnitool(world, "check", "tandem", "one")
    world.run("ip", "-n", "one", "link", "set", "eth0", "mtu", "1300", status=0)
    until(lambda: world.run("ip", "-n", "one", "link", "show", "eth0").out, lambda found: "mtu 1300" not in found)
    cnitool(world, "check", "tandem", "one")
    for space in (*spaces, *spaces):
        cnitool(world, "del", "tandem", space)
    until(lambda: world.left_since(outside), lambda left: not left)
    assert [inside_of(world, s).splitlines()[0] for s in spaces] == [text.splitlines()[0] for text in before]
    world.tandem("cni", "uninstall", "--conf-dir", "/tmp/net.d", status=0)


@pytest.mark.parametrize("plugin", ["bridge", "ptp"])
def test_without_policy_services_are_reached_by_the_node(world: Lab, spaces: tuple[str, str], plugin: str) -> None:
    """Those of pods of our own, and of one on the same bridge, whose answers must not go round the node."""
    name = inlined(world, plugin, policy=False)
    one, two = (address_in(cnitool(world, "add", name, s)) for s in spaces)
    assert "tandem-policy" not in inside_of(world, "one")
    command = ("ip", "netns", "exec", "one", "curl", "-s", "-m", "5", "-w", "%{http_code}", "-o", "/dev/null")
    assert is_answered(world.run(*command, f"http://{cluster_ip(world, 'own', 'web')}/"))
    world.run("ip", "netns", "exec", "two", "busybox", "httpd", "-p", "9000", "-h", "/usr/share/doc", status=0)
    world.apply({**service("own", "two"), "spec": {"ports": [{"port": 80, "targetPort": 9000}]}}, slice_of("two", two))
    front = cluster_ip(world, "own", "two")
    said = until(lambda: world.run(*command, f"http://{front}/bash/copyright"), lambda ran: ran.status == 0)
    assert is_answered(said)
    assert one != two
    world.run("sh", "-c", "kill $(ip netns pids two)", status=0)
    world.delete("service", "two", "-n", "own")
    for space in spaces:
        cnitool(world, "del", name, space)


def slice_of(name: str, address: str) -> Raw:
    """Endpoints that somebody wrote."""
    meta = {"name": name, "namespace": "own", "labels": {"kubernetes.io/service-name": name}}
    ends = [{"addresses": [address], "conditions": {"ready": True}}]
    ports = [{"port": 9000, "protocol": "TCP"}]
    kind = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4"}
    return {**kind, "metadata": meta, "endpoints": ends, "ports": ports}


@pytest.mark.usefixtures("spaces")
def test_policy_outlives_the_agent_and_a_del_without_it_is_done_when_it_is_back(world: Lab) -> None:
    closed, opened = inlined(world, "bridge", unmanaged="closed"), inlined(world, "bridge", unmanaged="open")
    before = inside_of(world, "one")
    address = address_in(cnitool(world, "add", closed, "one"))
    cnitool(world, "add", opened, "two")
    assert not pings(world, "two", address)
    old = world.pid("agent")
    world.kill("agent")
    assert not pings(world, "two", address)
    cnitool(world, "del", closed, "one")
    world.back("agent", old)
    until(lambda: inside_of(world, "one"), lambda now: now == before, world.logs)
    cnitool(world, "del", opened, "two")


@pytest.mark.usefixtures("spaces")
def test_policy_judges_after_its_del_until_the_other_plugins_link_is_gone(world: Lab) -> None:
    """A runtime asks the plugins of a list backwards: ours has answered, and the link is there still."""
    closed, opened = inlined(world, "bridge", unmanaged="closed"), inlined(world, "bridge", unmanaged="open")
    before = inside_of(world, "one")
    result = cnitool(world, "add", closed, "one").json()
    cnitool(world, "add", opened, "two")
    (mine,) = (a for a in attachments(world, "").values() if a["addresses"][0] == result["ips"][0]["address"][:-3])
    config = json.loads(world.run("cat", f"/tmp/net.d/{closed}.conflist", status=0).out)
    behind = {**config["plugins"][1], "cniVersion": "1.0.0", "name": closed, "prevResult": result}
    asked = ("CNI_COMMAND=DEL", f"CNI_CONTAINERID={mine['container']}", "CNI_NETNS=/run/netns/one", "CNI_IFNAME=eth0")
    world.run("env", f"CNI_PATH={BIN}", *asked, f"{BIN}/tandem-cni", stdin=json.dumps(behind), status=0)
    assert not pings(world, "two", result["ips"][0]["address"][:-3])
    assert "tandem-policy" in inside_of(world, "one")
    world.run("ip", "-n", "one", "link", "delete", "eth0", status=0)
    until(lambda: inside_of(world, "one"), lambda now: now == before, world.logs)
    cnitool(world, "del", closed, "one")
    cnitool(world, "del", opened, "two")


LOSE_ALL: Final = "umount -l {run}/nodes/node-1/netns/*; rm -rf {run}"


@pytest.mark.parametrize("lost", [False, True], ids=["with its directory", "with everything lost"])
def test_down_takes_what_is_ours_out_of_namespaces_that_live_on(
    world: Lab, spaces: tuple[str, str], *, lost: bool
) -> None:
    if not world.run_dir.exists():
        world.tandem("up", "--detach", status=0)
        for plugin in ("bridge", "host-local"):
            world.run("cp", f"/usr/lib/cni/{plugin}", BIN, status=0)
    name = inlined(world, "bridge", unmanaged="open")
    cnitool(world, "add", "bridge-alone", "one")
    cnitool(world, "add", name, "two")
    assert "tandem-policy" in inside_of(world, "two")
    if lost:
        world.kill("supervisor", "agent", "control", "runtime", "envoy")
        world.run("sh", "-c", LOSE_ALL.format(run=RUN), status=0)
    world.tandem("down", status=0)
    for word in ("tandem", "0x53", "116"):
        assert word not in inside_of(world, "two")
    address = world.run("ip", "-n", "two", "-4", "-br", "address", "show", "eth0", status=0).out.split()[2]
    assert pings(world, "one", address.partition("/")[0])
    assert spaces == ("one", "two")
    world.run("rm", "-rf", "/var/lib/cni", status=0)  # the other plugin was never asked for its DEL
