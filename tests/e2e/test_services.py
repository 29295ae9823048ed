"""Services from outside: an address of the pool and a node port, answered to a neighbour, to pods and to the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import account, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

NODE, OUTSIDE = "198.51.100.1", "198.51.100.9"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours=f"{NODE}/24")
        made.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        made.apply(
            *namespace("shop"),
            account("shop", "caller"),
            pod("shop", "web", web("web")),
            pod("shop", "caller", idle(), serviceAccountName="caller"),
            balanced(),
        )
        until(lambda: ingress(made), bool)
        yield made


def balanced(**spec: Any) -> dict[str, Any]:
    made = service("shop", "web")
    made["spec"] |= {"type": "LoadBalancer", **spec}
    return made


def found(world: Lab) -> Any:
    return world.get("shop", "service", "web")


def ingress(world: Lab) -> list[dict[str, str]]:
    addresses: list[dict[str, str]] = found(world)["status"].get("loadBalancer", {}).get("ingress", [])
    return addresses


def conditions(world: Lab) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in found(world)["status"].get("conditions", [])}


def urls(world: Lab) -> list[str]:
    return [f"http://{ingress(world)[0]['ip']}/", f"http://{NODE}:{found(world)['spec']['ports'][0]['nodePort']}/"]


def test_an_address_of_the_pool_is_in_the_status(world: Lab) -> None:
    assert [i["ip"] for i in ingress(world)] == ["198.51.100.65"]


@pytest.mark.parametrize("way", [0, 1], ids=["pool", "node-port"])
def test_a_neighbour_a_pod_and_the_node_itself_are_answered(world: Lab, way: int) -> None:
    url = urls(world)[way]
    get = ("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
    outside = until(lambda: world.run("ip", "netns", "exec", "outside", *get), lambda r: r.out == "200")
    assert outside.out == "200"
    assert world.run(*get).out == "200"
    assert world.inside("shop", "caller", *get).out == "200"


def test_the_conditions_say_that_the_address_is_in_force(world: Lab) -> None:
    wanted = {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    until(lambda: conditions(world), lambda now: now == wanted, world.logs)


def test_a_full_pool_and_an_address_of_no_link_are_told(world: Lab) -> None:
    """The second Service asks for what the first one has; then for an address far from every link."""
    other = service("shop", "other")
    other["spec"] |= {"type": "LoadBalancer", "loadBalancerIP": "198.51.100.65"}

    def told(wanted: tuple[str, str, str]) -> None:
        def condition() -> tuple[str, str, str]:
            found = world.get("shop", "service", "other")["status"].get("conditions", [])
            return next(
                ((c["status"], c["reason"], c["message"]) for c in found if c["type"] == wanted[0]), ("", "", "")
            )

        until(condition, lambda c: c[0] == "False" and c[1] == wanted[1] and wanted[2] in c[2], world.logs)

    world.apply(other)
    told(("Accepted", "AddressInUse", "198.51.100.65 belongs to another Service"))
    far = {"apiVersion": "tandem.io/v1", "kind": "LoadBalancerPool", "metadata": {"name": "far"}}
    far["spec"] = {"addresses": ["203.0.113.0/28"], "automatic": False}
    other["metadata"]["annotations"] = {"tandem.io/load-balancer-pool": "far"}
    del other["spec"]["loadBalancerIP"]
    world.apply(far, other)
    told(("Programmed", "Pending", "203.0.113.1: it lies in no subnet of this node's links"))
    world.delete("service", "other", "-n", "shop")
    world.delete("loadbalancerpool", "far")


def test_source_ranges_keep_a_neighbour_out_and_let_pods_in(world: Lab) -> None:
    get = ("curl", "-s", "-m", "1", "-o", "/dev/null", urls(world)[0])

    def statuses() -> tuple[int, int]:
        return world.run("ip", "netns", "exec", "outside", *get).status, world.inside("shop", "caller", *get).status

    world.apply(balanced(loadBalancerSourceRanges=["10.244.0.0/16"]))
    until(statuses, lambda found: found == (28, 0), world.logs)
    world.apply(balanced())
    until(statuses, lambda found: found == (0, 0), world.logs)


def test_the_health_port_tells_the_ready_endpoints_of_the_node(world: Lab) -> None:
    world.apply(balanced(externalTrafficPolicy="Local"))
    port = found(world)["spec"]["healthCheckNodePort"]
    ask = ("ip", "netns", "exec", "outside", "curl", "-s", "-m", "2", f"http://{NODE}:{port}/healthz")
    answer = until(lambda: world.run(*ask), lambda r: r.status == 0, world.logs).json()
    assert answer == {
        "service": {"namespace": "shop", "name": "web"},
        "localEndpoints": 1,
        "serviceProxyHealthy": True,
    }
    world.apply(balanced())
    assert "healthCheckNodePort" not in found(world)["spec"]
    until(lambda: world.run(*ask).status, lambda status: status == 7, world.logs)


def test_a_port_that_the_service_does_not_have_is_refused(world: Lab) -> None:
    refused = world.run("ip", "netns", "exec", "outside", "curl", "-sS", "-m", "5", f"{urls(world)[0][:-1]}:81/")
    assert refused.status == 7


def test_the_last_endpoint_serves_until_it_ends_and_one_that_is_ready_takes_over(world: Lab) -> None:
    """KEP-1669: a pod that was told to end and goes on is better than none, and worse than any other."""
    patient = web("patient")
    stays = (
        "import runpy, signal; signal.signal(15, lambda *_: None); runpy.run_path('/app/web.py', run_name='__main__')"
    )
    patient["command"] = ["/usr/bin/python3", "-c", stays]
    going = pod("shop", "patient", patient, terminationGracePeriodSeconds=60)
    world.apply(going, service("shop", "patient"))

    def answers() -> str:
        return world.curl("shop", "caller", "http://patient/").out

    def conditions_of() -> list[dict[str, bool]]:
        slices = world.get("shop", "endpointslices")["items"]
        return [e["conditions"] for s in slices if s["metadata"]["name"].startswith("patient-") for e in s["endpoints"]]

    world.tandem("delete", "pod", "patient", "-n", "shop", "--no-wait", status=0)
    until(conditions_of, [{"ready": False, "serving": True, "terminating": True}].__eq__)
    assert answers().endswith("200")
    world.apply(pod("shop", "other", web("other"), labels={"app": "patient"}))
    until(answers, lambda text: "other" in text)
    assert all("other" in answers() for _ in range(8))
    assert len(conditions_of()) == 2
    world.tandem("delete", "pod", "patient", "other", "-n", "shop", "--grace-period", "0", status=0)


def test_the_address_is_given_back_with_the_service(world: Lab) -> None:
    shown = ("ip", "-o", "address", "show", "dev", "out0")
    assert "198.51.100.65/32" in world.run(*shown).out
    world.delete("service", "web", "-n", "shop")
    until(lambda: world.run(*shown).out, lambda text: "198.51.100.65" not in text)


def test_down_takes_an_address_off_its_link(world: Lab) -> None:
    world.apply(balanced())
    shown = ("ip", "-o", "address", "show", "dev", "out0")
    until(lambda: world.run(*shown).out, lambda text: "198.51.100.65/32" in text, world.logs)
    world.kill("supervisor", "agent")
    world.tandem("down", status=0)
    assert "198.51.100.65" not in world.run(*shown).out
