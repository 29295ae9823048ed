"""What a cluster has besides a network: scheduling, Deployments, EndpointSlices. Pure; `tandem up` only."""
