"""The local cluster: a Kubernetes API server and a kubelet that runs containers as processes."""

from podlift.local.cluster import ClusterOptions, Endpoint, LocalCluster

__all__ = ["ClusterOptions", "Endpoint", "LocalCluster"]
