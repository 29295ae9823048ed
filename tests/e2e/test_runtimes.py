"""Container runtimes of Debian on a running tandem: add, reach, restart of the runtime, delete, nothing left."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import idle, namespace, pod, policy, service, web
from e2e.runtimes import BUSYBOX, PORT, Containerd, Ctr, Podman, Runtime, Sandboxes, prepare, remove_cgroups

pytestmark = pytest.mark.root

DNS = "10.96.0.10"
BOTH = ("--pod-cidr", "10.244.0.0/16,fd00:10:244::/56", "--service-cidr", "10.96.0.0/16,fd00:10:96::/112")
NAME = "box"
HEART = r"""
while [ ! -e /tmp/heart-stops ]; do
    kubectl --kubeconfig=/run/tandem/kubeconfig patch lease node-1 -n kube-node-lease --type=merge \
        -p "{\"spec\":{\"renewTime\":\"$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)\"}}"
    sleep 1
done
"""
"""A node whose lease is not renewed is taken for dead, and its pods leave the Services."""
HAND_ON = """#!/usr/bin/python3
import json, os, sys
config = json.load(sys.stdin)
versions = {"cniVersion": "1.0.0", "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]}
print(json.dumps({"VERSION": versions, "ADD": config.get("prevResult")}.get(os.environ["CNI_COMMAND"], {})))
"""


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """A node with a pod that calls and one that serves, and the plugin where runtimes look for it."""
    try:
        with lab() as made:
            prepare(made)
            made.tandem("up", "--detach", *BOTH, status=0)
            made.apply(*namespace("app"), pod("app", "web", web("web", listen="::")), pod("app", "caller", idle()))
            made.apply(service("app", "web"))
            made.tandem("cni", "install", status=0)
            made.run("cp", "/usr/lib/cni/loopback", "/opt/cni/bin/", status=0)  # the CRI attaches lo by a plugin, too
            yield made
    finally:
        remove_cgroups()


@pytest.fixture(scope="module")
def containerd(world: Lab) -> Containerd:
    return Containerd(world)


@pytest.fixture(params=["ctr", "podman"])
def runtime(world: Lab, containerd: Containerd, request: pytest.FixtureRequest) -> Runtime:
    return Ctr(world, containerd) if request.param == "ctr" else Podman(world)


def attachments(world: Lab, container: str) -> list[Any]:
    status = world.tandem("cni", "status", "-o", "json", status=0).json()
    return [a for a in status["attachments"] if a["container"] == container]


def pod_address(world: Lab, name: str) -> str:
    found: str = world.get("app", "pod", name)["status"]["podIP"]
    return found


def service_address(world: Lab) -> str:
    found: str = world.get("app", "service", "web")["spec"]["clusterIP"]
    return found


def post(world: Lab, raw: Any) -> None:
    """Apply and do not wait: nobody runs pods meanwhile."""
    world.tandem("apply", "-f", "-", stdin=json.dumps(raw), status=0)


def six(runtime: Runtime) -> str:
    """The container's address of IPv6: the only one of its interface."""
    shown = runtime.inside(NAME, "ip", "-6", "address", "show", "eth0").out
    (found,) = re.findall(r"inet6 ([0-9a-f:]+)/128", shown)
    return str(found)


def assert_reaches(world: Lab, runtime: Runtime, address: str) -> None:
    """Packets and connections, both directions, to a pod and to a Service by address and by name."""
    server = pod_address(world, "web")
    assert runtime.inside(NAME, "ping", "-c", "1", "-W", "5", server).status == 0
    for host in (f"{server}:8080", service_address(world)):
        assert f'"from": "{address}"' in runtime.inside(NAME, "wget", "-q", "-O", "-", f"http://{host}/").out
    mine, theirs = six(runtime), str(world.get("app", "pod", "web")["status"]["podIPs"][1]["ip"])
    assert f'"from": "{mine}"' in runtime.inside(NAME, "wget", "-q", "-O", "-", f"http://[{theirs}]:8080/").out
    assert world.inside("app", "caller", str(BUSYBOX), "ping", "-6", "-c", "1", "-W", "5", mine).status == 0
    named = runtime.inside(NAME, "nslookup", "web.app.svc.cluster.local", DNS)
    assert service_address(world) in named.out, named.text
    assert world.inside("app", "caller", str(BUSYBOX), "ping", "-c", "1", "-W", "5", address).status == 0
    assert world.curl("app", "caller", f"http://{address}:{PORT}/").out.split() == ["hello", "200"]


def test_a_container_is_added_reached_outlives_a_restart_and_leaves_nothing(world: Lab, runtime: Runtime) -> None:
    before = world.picture()
    address = runtime.add(NAME)
    (kept,) = attachments(world, runtime.container_id(NAME))
    assert (kept["addresses"], kept["namespace"], kept["unmanaged"]) == ([address, six(runtime)], "", "open")
    assert_reaches(world, runtime, address)
    address = runtime.restart(NAME)
    assert_reaches(world, runtime, address)
    container = runtime.container_id(NAME)
    runtime.delete(NAME)
    until(lambda: attachments(world, container), lambda left: left == [])
    until(lambda: world.left_since(before), lambda left: left == [])


def test_a_container_that_is_no_pod_outlives_the_agent(world: Lab, containerd: Containerd) -> None:
    before, ctr = world.picture(), Ctr(world, containerd)
    address, old = ctr.add(NAME), world.pid("agent")
    world.kill("agent")
    world.back("agent", old)
    until(lambda: world.tandem("cni", "status").status, lambda status: status == 0)
    assert_reaches(world, ctr, address)
    ctr.delete(NAME)
    until(lambda: [line for line in world.left_since(before) if " processes:" not in line], lambda left: not left)


def test_a_network_may_close_them_and_flows_show_container_and_network(world: Lab, containerd: Containerd) -> None:
    ctr = Ctr(world, containerd)
    world.tandem("cni", "install", "--unmanaged", "closed", status=0)
    address = ctr.add(NAME)
    assert world.curl("app", "caller", f"http://{address}:{PORT}/", "-m", "2").status == 28
    assert ctr.inside(NAME, "nc", "-w", "2", service_address(world), "80").status != 0
    container = ctr.container_id(NAME)
    found = until(
        lambda: world.tandem("flows", "--denied", "--pod", container, "-o", "json", status=0).json()["flows"],
        lambda flows: {f["direction"] for f in flows} == {"ingress", "egress"},
    )
    assert {(r["kind"], r["name"], r["path"]) for f in found for r in f["rules"]} == {
        ("NetworkConfiguration", "tandem", "unmanaged")
    }
    ends = {(f["direction"], end): f[end].get("container", "") for f in found for end in ("source", "destination")}
    assert (ends["egress", "source"], ends["ingress", "destination"]) == (container, container)
    ctr.delete(NAME)
    world.tandem("cni", "install", "--unmanaged", "refuse", status=0)
    with pytest.raises(AssertionError, match='"unmanaged": "refuse"'):
        ctr.add("refused")
    world.run("ctr", "-n", "tandem-e2e", "container", "delete", "refused")
    world.tandem("cni", "install", status=0)


@pytest.mark.parametrize("version", ["0.3.1", "0.4.0"])
def test_an_old_runtime_reads_the_result_in_its_own_version(world: Lab, version: str) -> None:
    podman = Podman(world)
    world.tandem("cni", "install", "--cni-version", version, status=0)
    address = podman.add(NAME)
    assert_reaches(world, podman, address)
    podman.delete(NAME)
    world.tandem("cni", "install", status=0)


def test_a_port_of_the_node_leads_into_a_container_of_podman_until_it_is_deleted(world: Lab) -> None:
    before, podman = world.picture(), Podman(world)
    podman.add(NAME, "-p", f"8099:{PORT}")
    assert world.run("curl", "-s", "-m", "5", "http://127.0.0.1:8099/").out == "hello\n"
    podman.delete(NAME)
    assert world.run("curl", "-s", "-m", "5", "http://127.0.0.1:8099/").status != 0
    until(lambda: world.left_since(before), lambda left: left == [])


def test_names_that_podman_gives_are_answered_until_it_is_deleted(world: Lab) -> None:
    """podman 4.3 sends them only where the list has a plugin `dnsname`: one that hands the result on stands for it."""
    podman, path = Podman(world), "/etc/cni/net.d/10-tandem.conflist"
    world.run("sh", "-c", "cat > /opt/cni/bin/dnsname; chmod +x /opt/cni/bin/dnsname", stdin=HAND_ON, status=0)
    installed = (world.root / path.strip("/")).read_text()
    config = json.loads(installed)
    config["plugins"].append({"type": "dnsname", "domainName": "dns.podman", "capabilities": {"aliases": True}})
    world.run("sh", "-c", f"cat > {path}", stdin=json.dumps(config), status=0)
    full = "db.tandem.net.cluster.local"
    address = podman.add(NAME, "--network-alias", "db")

    def resolved() -> str:
        return world.inside("app", "caller", str(BUSYBOX), "nslookup", full, DNS).out

    until(resolved, lambda said: address in said)
    assert podman.inside(NAME, "wget", "-q", "-O", "-", f"http://db:{PORT}/").out == "hello\n"
    old = world.pid("agent")
    world.kill("agent")
    world.back("agent", old)
    until(lambda: world.tandem("cni", "status", "-o", "json").json()["code"], lambda code: code == 0)
    assert address in resolved()
    podman.delete(NAME)
    until(resolved, lambda said: address not in said)
    world.run("sh", "-c", f"cat > {path}; rm /opt/cni/bin/dnsname", stdin=installed, status=0)


def test_podman_runs_containers_behind_another_plugin_that_its_list_closes(world: Lab) -> None:
    """Its CNI backend does not read directories: Tandem stands in the list, behind the bridge."""
    before, podman, path = world.picture(), Podman(world), "/etc/cni/net.d/20-behind.conflist"
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.89.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni89", "isGateway": True, "ipMasq": True, "ipam": ipam}
    socket = {"type": "tandem-cni", "socket": "/run/tandem/nodes/node-1/cni.sock"}
    for word, reached in (("open", True), ("closed", False)):
        plugins = [bridge, {**socket, "chained": True, "policy": True, "unmanaged": word}]
        config = {"cniVersion": "0.4.0", "name": "behind", "plugins": plugins}
        world.run("sh", "-c", f"cat > {path}", stdin=json.dumps(config), status=0)
        podman.add(NAME, network="behind")
        (kept,) = attachments(world, podman.container_id(NAME))
        assert (kept["network"], kept["chained"], kept["unmanaged"]) == ("behind", True, word)
        found = world.curl("app", "caller", f"http://{kept['addresses'][0]}:{PORT}/", "-m", "2")
        assert found.status == (0 if reached else 28), found.text
        podman.delete(NAME)
    world.run("sh", "-c", f"rm {path}; ip link delete cni89; nft delete table ip nat", status=None)
    until(lambda: world.left_since(before), lambda left: left == [])


@pytest.fixture
def no_runtime_of_ours(world: Lab) -> Iterator[None]:
    """`tandem up` brings a runtime, which would start the same pods: it sleeps meanwhile, and its heart goes on."""
    runtime = str(world.pid("runtime"))
    world.run("kill", f"-{signal.SIGSTOP.value}", runtime, status=0)
    heart = world.start("sh", "-c", HEART)
    yield
    world.run("touch", "/tmp/heart-stops", status=0)
    heart.communicate(timeout=60)
    world.run("kill", f"-{signal.SIGCONT.value}", runtime, status=0)


@pytest.mark.usefixtures("no_runtime_of_ours")
def test_a_pod_of_the_api_runs_in_a_sandbox_of_containerds_cri(world: Lab, containerd: Containerd) -> None:
    before, sandboxes = world.picture(), Sandboxes(world, containerd, "app")
    until(sandboxes.cri.conditions, lambda found: found["NetworkReady"] == (True, ""), containerd.log)
    wanted = pod("app", NAME, idle(), labels={"app": NAME}, nodeName="node-1")
    post(world, wanted)
    address = sandboxes.add(NAME)
    (kept,) = attachments(world, sandboxes.container_id(NAME))
    addresses = sandboxes.addresses(NAME)
    assert (kept["namespace"], kept["name"], kept["unmanaged"], kept["addresses"]) == ("app", NAME, "", addresses)
    assert addresses == [address, six(sandboxes)]
    assert_reaches(world, sandboxes, address)
    address = sandboxes.restart(NAME)
    assert_reaches(world, sandboxes, address)
    post(world, policy("app", "shut", NAME, ingress=[]))
    url = f"http://{address}:{PORT}/"
    until(lambda: world.curl("app", "caller", url, "-m", "1").status, lambda status: status == 28)
    world.delete("networkpolicy", "shut", "-n", "app")
    sandboxes.delete(NAME)
    world.tandem("delete", "pod", NAME, "-n", "app", "--grace-period", "0", status=0)
    until(lambda: world.left_since(before), lambda left: left == [])


def test_down_takes_the_plugin_away(world: Lab, containerd: Containerd) -> None:
    containerd.stop()
    world.tandem("down", status=0)
    assert not (world.root / "etc" / "cni" / "net.d" / "10-tandem.conflist").exists()
    assert not (world.root / "opt" / "cni" / "bin" / "tandem-cni").exists()
