"""The whole of translation: World -> Translation (all IR of the cluster, and all Problems). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tandem.base.ids import NodeName
from tandem.base.problems import ObjectKey, Problem, by_object
from tandem.ir.fabric import Endpoints, LocalPod, MeshConfig, Node, Service
from tandem.ir.mesh import MeshIR
from tandem.ir.names import Names
from tandem.ir.policy import PolicyIR
from tandem.model.adminpolicy import AdminNetworkPolicy, BaselineAdminNetworkPolicy
from tandem.model.clusterpolicy import ClusterNetworkPolicy
from tandem.model.policy import NetworkPolicy
from tandem.model.world import World
from tandem.translate.balancers import Assignment, assign_addresses
from tandem.translate.canaries import divide_gateways
from tandem.translate.externals import selects_workloads, translate_externals
from tandem.translate.faults import fault_gateways, fault_tables, read_faults
from tandem.translate.gateway import translate_gateways
from tandem.translate.gateway.edge import Edge
from tandem.translate.gateway.guards import guard_gateways
from tandem.translate.gateway.secured import secure_backends
from tandem.translate.hostaddresses import HostAddresses
from tandem.translate.ingress import add_ingress
from tandem.translate.limits.attached import limit_gateways, limit_tables
from tandem.translate.limits.targets import read_limits
from tandem.translate.mesh import translate_mesh
from tandem.translate.mesh.consul.defaults import Defaults
from tandem.translate.mesh.istio.meshconfig import read_mesh_locality
from tandem.translate.mesh.istio.subsets import subset_problems
from tandem.translate.mesh.linkerd.opaque import read_opaque
from tandem.translate.names import translate_names
from tandem.translate.network import translate_network
from tandem.translate.nodes import inner_prefixes, translate_nodes, translate_pools, translate_reservations
from tandem.translate.options import Options as Options  # noqa: PLC0414 - callers need one import
from tandem.translate.pods import translate_pods
from tandem.translate.policy import translate_policy
from tandem.translate.protocols import ports_said
from tandem.translate.services import translate_services
from tandem.translate.sessions import keep_sessions_of_gateways
from tandem.translate.trust import translate_trust, trust_problems
from tandem.translate.unreadable import unreadable_problems

_POLICIES: Final = (NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy)


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that control knows to say of one World; keys are the resource names of `ir/wire.py`."""

    config: MeshConfig
    nodes: Mapping[str, Node]
    pods: Mapping[str, LocalPod]
    pod_nodes: Mapping[str, NodeName]
    """Pod uid -> the node that wires it."""
    policy: PolicyIR
    mesh: MeshIR
    services: Mapping[str, Service]
    endpoints: Mapping[str, Endpoints]
    names: Mapping[str, Names]
    balancers: Assignment = Assignment()
    """Addresses for Services of type LoadBalancer, to be written into their status."""
    hosts: HostAddresses = HostAddresses(by_host={}, by_entry={})
    """Addresses of hosts of ServiceEntries that name none, to be written into their status."""
    edge: Edge = Edge()
    """Gateways, and what is told of them."""
    told: Mapping[ObjectKey, tuple[Problem, ...]]
    """What is wrong, by the object that is told."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is wrong, in the order of objects."""
        return tuple(problem for key in sorted(self.told) for problem in self.told[key])


def mesh_config(world: World, options: Options) -> MeshConfig:
    """What every node is told of the whole."""
    return MeshConfig(
        trust_domain=options.trust_domain,
        cluster_domain=options.cluster_domain,
        dns_addresses=options.dns_addresses,
        service_cidrs=options.service_cidrs,
        network=translate_network(world),
        pod_networks=translate_pools(world),
        reserved=translate_reservations(world),
        locality=read_mesh_locality(world, options),
        trust_sources=translate_trust(world),
    )


def has_policies(world: World) -> bool:
    """Whether there is a policy of any kind."""
    return any(world.all(cls) for cls in _POLICIES)


def announcing(config: MeshConfig, announces: bool) -> MeshConfig:  # noqa: FBT001 - it is the field's value
    """The configuration of a mesh with policies, or of one without."""
    return msgspec.structs.replace(config, announces=announces)


def translate_world(world: World, options: Options) -> Translation:
    """Translate a whole World; equal Worlds give equal Translations."""
    policy, policy_problems = translate_policy(world, dns_addresses=options.dns_addresses)
    mesh, mesh_problems = translate_mesh(world, options)
    balancers = assign_addresses(world)
    edge = translate_gateways(world, options, balancers)
    edge = add_ingress(world, options, edge, balancers, mesh.policies)
    edge = divide_gateways(world, options, guard_gateways(world, options, edge), mesh)
    edge = keep_sessions_of_gateways(world, secure_backends(world, options, edge))
    limits = read_limits(world)
    faults = read_faults(world)
    mesh = limit_tables(fault_tables(mesh, faults), limits)
    edge = limit_gateways(fault_gateways(edge, faults), limits)
    defaults = Defaults(world)
    named = limits.named, defaults.named
    opaque = read_opaque(world, options.cluster_domain)
    said = ports_said(mesh.tables.values(), edge.gateways.values(), *named, unread=defaults.bytes, opaque=opaque)
    pods = translate_pods(world, options, policy, said=said, limits=limits)
    services = translate_services(world, pods.pods, said=said, inner=inner_prefixes(world, options))
    externals = translate_externals(world, pods.pods if selects_workloads(world) else {}, options)
    nodes = translate_nodes(world)
    return Translation(
        balancers=balancers,
        edge=edge,
        config=announcing(mesh_config(world, options), has_policies(world)),
        nodes=nodes,
        names=translate_names(world, nodes),
        pods=pods.pods,
        pod_nodes=pods.nodes,
        policy=policy,
        mesh=mesh,
        services={**services.services, **externals.services},
        endpoints={**services.endpoints, **externals.endpoints},
        hosts=externals.addresses,
        told=by_object(
            (
                *policy_problems,
                *unreadable_problems(world),
                *trust_problems(world),
                *pods.problems,
                *services.problems,
                *externals.problems,
                *balancers.problems,
                *mesh_problems,
                *subset_problems(world, mesh.policies),
                *edge.problems,
                *limits.problems,
                *faults.problems,
            ),
        ),
    )
