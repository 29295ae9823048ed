"""Kinds of our own group, in the order of the registry."""

from __future__ import annotations

from typing import Final

from tandem.model import canary, faults, ipam, network, pools, ratelimit, trafficpolicy, trustsource
from tandem.model.kind import Kind

OWN: Final = (
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="Network",
        plural="networks",
        singular="network",
        namespaced=False,
        status=True,
        cls=network.Network,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="Canary",
        plural="canaries",
        singular="canary",
        status=True,
        cls=canary.Canary,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="RateLimit",
        plural="ratelimits",
        singular="ratelimit",
        status=True,
        cls=ratelimit.RateLimit,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="FaultInjection",
        plural="faultinjections",
        singular="faultinjection",
        status=True,
        cls=faults.FaultInjection,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="TrafficPolicy",
        plural="trafficpolicies",
        singular="trafficpolicy",
        status=True,
        cls=trafficpolicy.TrafficPolicy,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="TrustSource",
        plural="trustsources",
        singular="trustsource",
        namespaced=False,
        status=True,
        cls=trustsource.TrustSource,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="LoadBalancerPool",
        plural="loadbalancerpools",
        singular="loadbalancerpool",
        short=("lbpool",),
        namespaced=False,
        cls=pools.LoadBalancerPool,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPPool",
        plural="ippools",
        singular="ippool",
        namespaced=False,
        cls=ipam.IPPool,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPReservation",
        plural="ipreservations",
        singular="ipreservation",
        namespaced=False,
        cls=ipam.IPReservation,
    ),
    Kind(
        group="tandem.io",
        versions=("v1",),
        kind="IPAMBlock",
        plural="ipamblocks",
        singular="ipamblock",
        namespaced=False,
        cls=ipam.IPAMBlock,
    ),
)
